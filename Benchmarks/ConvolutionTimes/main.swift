import Foundation
import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackPrograms
import SwitchbackReference

// Times single convolutions for Benchmarks/convolutions.py, which asks line by line, so that it can take turns between
// backends and PyTorch:
//
//   convolution-times BACKEND WORKERS [OPTION=VALUE …]
//   < PASS N H W C KH KW K GROUPS TOP BOTTOM LEFT RIGHT REPETITIONS [ZEROS]
//                                                                        PASS: forward, inference, backward, step
//   > seconds of the fastest repetition and of the median one
//
// ZEROS in images and upstream gradients: 0 none (as without), 1 every other element, as behind a relu, 2 every other
// channel.
// `forward` has a new filter every time, `inference` always the same, `backward` is the two
// backward passes, `step` all three of a training step.

func value(_ seed: Int) -> Float { Float((seed &* 2_654_435_761) % 2001) / 1000 - 1 }

func fill(_ bytes: UnsafeMutableRawBufferPointer, zeros: Int = 0) {
  let floats = bytes.bindMemory(to: Float.self)
  for e in floats.indices {
    let isZero = zeros == 1 ? (e &* 2_654_435_761) >> 7 % 2 == 0 : zeros == 2 && e % 2 == 0
    floats[e] = isZero ? 0 : value(e)
  }
}

func program(_ pass: String, _ numbers: [Int]) throws -> Program {
  let (batch, height, width, channels) = (numbers[0], numbers[1], numbers[2], numbers[3])
  let (kernelHeight, kernelWidth, filters, groups) = (numbers[4], numbers[5], numbers[6], numbers[7])
  let geometry = ConvolutionGeometry(padding: Array(numbers[8..<12]), groups: groups)
  var builder = ProgramBuilder(name: pass)
  let x = builder.input("x", .float32([batch, height, width, channels]))
  let w = builder.state("w", .float32([kernelHeight, kernelWidth, channels / groups, filters]))
  let convolution = Convolution2D(geometry)
  if pass != "backward" { builder.output("y", try builder.append(convolution, x, w)) }
  guard pass == "step" || pass == "backward" else { return builder.build() }
  let dy = builder.input("dy", try convolution.outputTypes(for: [x.type, w.type])[0])
  builder.output(
    "dw", try builder.append(Convolution2DBackwardFilter(geometry, kernelSize: [kernelHeight, kernelWidth]), x, dy))
  builder.output("dx", try builder.append(Convolution2DBackwardInput(geometry, inputSize: [height, width]), dy, w))
  return builder.build()
}

func seconds(_ pass: String, _ numbers: [Int], on chain: BackendChain) throws -> (best: Double, median: Double) {
  let states = StateStore()
  let executor = try ProgramExecutor(try program(pass, numbers), on: chain, states: states)
  let zeros = numbers.count > 13 ? numbers[13] : 0
  for name in ["x", "dy"] where executor.hasInput(name) {
    try executor.withInput(name) { fill($0, zeros: zeros) }
  }
  try states.withMutableBytes(of: "w") { fill($0) }
  let clock = ContinuousClock()
  // Once for first touches.
  try executor.run()
  var times: [Double] = []
  for _ in 0..<numbers[12] {
    // A new generation of the filter.
    if pass != "inference" { try states.withBytes(of: "w") { _ in } }
    let time = try clock.measure { try executor.run() }
    times.append(Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18)
  }
  times.sort()
  return (times[0], times[times.count / 2])
}

let words = Array(CommandLine.arguments.dropFirst())
guard words.count >= 2, let workers = Int(words[1]) else {
  print("usage: convolution-times BACKEND WORKERS [OPTION=VALUE …]")
  throw ExecutionError(.invalid, "a backend and a number of workers are needed")
}
var options: [String: String] = [:]
for word in words.dropFirst(2) {
  let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
  if parts.count == 2 { options[parts[0]] = parts[1] }
}
let host = try HostServices(workers: workers)
let registry = BackendRegistry(linked: [ReferenceBackend()])
let chain = try BackendChain([words[0]], registry: registry, options: [words[0]: options], host: host)
while let line = readLine() {
  let parts = line.split(separator: " ").map(String.init)
  let numbers = parts.dropFirst().compactMap { Int($0) }
  guard let pass = parts.first, [13, 14].contains(numbers.count), numbers[12] > 0 else {
    print("error: PASS and 13 or 14 numbers are needed")
    fflush(nil)
    continue
  }
  do {
    let (best, median) = try seconds(pass, numbers, on: chain)
    print(best, median)
    fflush(nil)
  } catch {
    print("error: \(error)")
    fflush(nil)
  }
}
