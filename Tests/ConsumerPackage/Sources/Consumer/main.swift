import Foundation
import Switchback
import SwitchbackOpenBLAS

struct Difference: Error { var text: String }

func require(_ condition: Bool, _ text: @autoclosure () -> String) throws {
  if !condition { throw Difference(text: text()) }
}

// A layer that only this package knows.
struct Scaled: UnaryLayer {
  var kind: String { "scaled" }

  func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let scale = try context.parameter("scale", [input.shape.extents.last!], initializer: .ones)
    return try context.append(Binary(.multiply), input, scale)
  }
}

// Two classes of 8×8 images: a bright upper or a bright lower half.
let count = 64
let labels = (0..<count).map { Int32($0 % 2) }
let samples = labels.flatMap { label -> [UInt8] in (0..<64).map { ($0 < 32) == (label == 0) ? 200 : 20 } }
let data = try ByteDataset(sampleShape: [8, 8, 1], classNames: ["up", "down"], samples: samples, labels: labels)

let model = Sequential {
  Conv2D(4, kernelSize: 3, activation: .relu)
  MaxPooling2D(2)
  Scaled()
  Flatten()
  Dense(2)
}
let step = TrainingStep(
  model: model, sampleShape: Shape(data.sampleShape), loss: CategoricalCrossentropy(fromLogits: true),
  optimizer: RMSprop(learningRate: 0.01), averageMomentum: 0.5)

let host = try HostServices(workers: 2)
let backend = OpenBLASBackend()
let chain = BackendChain(
  [.init(name: backend.identity.name, device: try backend.open(device: 0, options: [:], host: host))], host: host)
let session = try TrainingSession(step: step, batchSize: 32, seed: 1, on: chain)
var losses: [Double] = []
for index in 0..<5 {
  let order = BatchOrder(count: data.count, batchSize: 32, seed: 1, epoch: index / 2)
  losses.append(try session.train(data, order.batch(index % 2)).loss)
}
print("five steps on \(backend.identity.name): \(losses)")
try require(losses[4] < losses[0], "the loss did not fall: \(losses)")

// Saved and loaded, training goes on to the same bits; the trained model answers as the session does.
let folder = NSTemporaryDirectory() + "/switchback-consumer-\(getpid())"
try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
defer { try? FileManager.default.removeItem(atPath: folder) }
try session.save(to: folder + "/session.safetensors")
let second = try TrainingSession(step: step, batchSize: 32, seed: 1, on: chain)
try second.load(from: folder + "/session.safetensors")
for next in [session, second] {
  for index in 0..<2 {
    _ = try next.train(data, BatchOrder(count: data.count, batchSize: 32, seed: 1, epoch: 9).batch(index))
  }
}
try require(try session.evaluate(data) == second.evaluate(data), "a loaded session trains otherwise")
try second.trainedModel(for: data).save(to: folder + "/model.safetensors")
let loaded = try TrainedModel(file: folder + "/model.safetensors", on: chain)
for index in 0..<4 {
  let values = try data.sample(index).values
  let answer = try loaded.predict(values)
  try require(try answer.outputs == session.predict(values), "the saved model answers otherwise")
  try require(
    answer.best?.name == ["up", "down"][index % 2], "\(index) is taken for \(answer.best?.name ?? "nothing")")
}
print("saved, loaded and predicted with: the same")
try residual(in: folder, on: chain)
print("a residual network with two inputs and two outputs: the same")
try recurrent(in: folder, on: chain)
print("a recurrent network with masks and a cell of its own: the same")
try transformer(in: folder, on: chain)
print("a transformer with blocks of one's own: the same")
try rule(on: data, host: host)
try sink(on: data, host: host)

// The README's snippet, on images of its size.
let large = try ByteDataset(
  sampleShape: [28, 28, 1], classNames: (0...9).map { "\($0)" },
  samples: (0..<640).flatMap { n in (0..<784).map { UInt8($0 / 79 == n % 10 ? 220 : 10) } },
  labels: (0..<640).map { Int32($0 % 10) })
let (trained, answers) = try snippet(large, in: folder)
for index in 0..<10 {
  let values = try large.sample(index).values
  try require(try answers.predict(values).outputs == trained.predict(values), "README's model answers otherwise")
}

// With the path of the program `switchback` as an argument: a run of the command line, and the same from here.
if CommandLine.arguments.count > 1 {
  try compareWithCommandLine(CommandLine.arguments[1], in: folder)
}
