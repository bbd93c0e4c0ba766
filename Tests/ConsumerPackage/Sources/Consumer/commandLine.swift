import Foundation
import Switchback

/// Trains a table's network with the program `switchback` and from here, and holds the answers to each other: of the
/// run's folder, of the loop that trained here, and of its saved model.
func compareWithCommandLine(_ program: String, in folder: String) throws {
  func run(_ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    let output = folder + "/output"
    try Data().write(to: URL(fileURLWithPath: output))
    process.standardOutput = FileHandle(forWritingAtPath: output)
    try process.run()
    process.waitUntilExit()
    let text = try String(contentsOfFile: output, encoding: .utf8)
    try require(process.terminationStatus == 0, "\(arguments) ends with \(process.terminationStatus): \(text)")
    return text
  }
  var rows: [[Double]] = []
  var table = "x,y,class\n"
  for n in 0..<60 {
    let x = Double(n * 7 % 40) / 20 + 1e8
    let y = Double(n * 11 % 40) / 20 - 1
    rows.append([x, y])
    table += "\(x),\(y),\(y > 0 ? "yes" : "no")\n"
  }
  try table.write(toFile: folder + "/table.csv", atomically: true, encoding: .utf8)
  let text = """
    version: 1
    model: {layers: [{dense: {units: 6, activation: tanh}}, {dense: {units: 1}}]}
    data: {dataset: csv, path: \(folder)/table.csv, label: class, normalize: true}
    training:
      epochs: 5
      batch_size: 8
      loss: {type: binary_crossentropy, from_logits: true}
      optimizer: {type: adam, learning_rate: 0.02, ema_momentum: 0.9}
    backend: reference
    """
  let config = folder + "/table.yaml"
  try text.write(toFile: config, atomically: true, encoding: .utf8)
  _ = try run(["train", config, "--runs", folder + "/runs"])
  let said = try run(["predict", folder + "/runs/latest", folder + "/table.csv", "--json"]).split(separator: "\n")

  let configuration = try Configuration(file: config)
  let loop = try TrainingLoop(
    configuration, data: try configuration.data.source.open(),
    registry: BackendRegistry(linked: [ReferenceBackend()]), host: try HostServices(workers: 2))
  _ = try loop.run()
  let path = folder + "/table.safetensors"
  try loop.trainedModel().save(to: path)
  let reference = try BackendChain(
    ["reference"], registry: BackendRegistry(linked: [ReferenceBackend()]), host: try HostServices(workers: 1))
  let models = [
    try TrainedModel(run: folder + "/runs/latest", on: reference), try TrainedModel(file: path, on: reference),
  ]
  try require(said.count == rows.count, "\(said.count) answers to \(rows.count) rows")
  for (row, line) in zip(rows, said) {
    for model in models {
      guard let best = try model.predict(row: row).best else { throw Difference(text: "no class of \(row)") }
      let words = "{\"name\":\"\(best.name)\",\"probability\":\(best.score)}"
      try require(line.contains(words), "the command line says \(line), the library \(words)")
    }
  }
  print("\(rows.count) rows: the command line, its run's folder and a network trained here say the same")
}
