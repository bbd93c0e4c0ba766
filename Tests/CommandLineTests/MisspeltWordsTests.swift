import Testing

@Suite("Words on the command line that were meant otherwise")
struct MisspeltWordsTests {
  @Test(
    "commands, data sets, backends and options are found by their nearest word",
    arguments: [
      ("trian", "there is no command trian; did you mean train?"),
      ("help trian", "there is no command trian; did you mean train?"),
      ("help config shwo", "there is no command config shwo; did you mean show?"),
      ("config keys layers.lstm", "there is no key layers.lstm; did you mean model.layers.N.lstm?"),
      ("config keys layers", "did you mean model.layers?"),
      ("conformance --quick --backend reference --filter matmull", "did you mean matmul?"),
      ("config shwo", "there is no command config shwo; did you mean show?"),
      ("data chekc x", "there is no command data chekc; did you mean check?"),
      ("backends operation", "there is no command backends operation; did you mean operations?"),
      ("checkpoint verfy x", "there is no command checkpoint verfy; did you mean verify?"),
      ("data verify mnsit", "there is no data set called mnsit; did you mean mnist?"),
      ("data export fashion_mnist x", "there is no data set called fashion_mnist; did you mean fashion-mnist?"),
      ("config init --dataset fashionmnist", "did you mean fashion-mnist?"),
      ("config init --dataset cvs --path x --label y", "there is no data set called cvs; did you mean csv?"),
      ("config init --dataset timeseries --path x", "did you mean time-series?"),
      ("conformance --quick --backend refrence", "there is no backend called refrence; did you mean reference? ("),
      ("train x.yaml --bakend reference", "error: there is no option --bakend; did you mean --backend?\nUsage: "),
      ("train --hlep", "error: there is no option --hlep; did you mean --help?"),
      ("inspect --operatons", "there is no option --operatons; did you mean --operations?"),
      ("data --jsn", "there is no option --jsn; did you mean --json?"),
      ("train --epochs --hlep", "error: "),
      ("train", "error: Which configuration?"),
    ])
  func nearest(arguments: String, words: String) throws {
    let outcome = try switchback(arguments.split(separator: " ").map(String.init))
    #expect(outcome.status != 0 && outcome.error.contains(words), "\(outcome.error)")
  }
}
