import SwitchbackBackendKit
import SwitchbackOpenBLAS
import SwitchbackTraining
import Testing

@Suite(.enabled(if: hasOpenBLAS, "libopenblas.so.0 is not on this machine")) struct WorkerBitsTests {
  @Test(
    "a training step has the same bits for 1, 2, 3, 7 and 16 workers, with probes and without",
    arguments: ["mnist-cnn", "mnist-mlp", "deep-relu-he", "deep-sigmoid-mlp", "resnet20-fashion"])
  func sameBits(name: String) throws {
    let data = try madeData(count: 128)
    let steps = name == "resnet20-fashion" ? 1 : 2
    let one = try session(name, on: OpenBLASBackend(), workers: 1)
    try one.train(data, steps: steps)
    let truth = try one.bytes()
    for workers in [2, 3, 7, 16] {
      let other = try session(name, on: OpenBLASBackend(), workers: workers, isWatched: workers % 2 == 1)
      try other.train(data, steps: steps)
      #expect(try other.bytes() == truth, "\(workers) workers")
    }
  }
}
