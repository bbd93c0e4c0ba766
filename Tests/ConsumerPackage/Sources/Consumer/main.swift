import Switchback
import SwitchbackOpenBLAS

// Two classes of 8×8 images: a bright upper or a bright lower half.
let count = 64
let labels = (0..<count).map { Int32($0 % 2) }
let samples = labels.flatMap { label -> [UInt8] in (0..<64).map { ($0 < 32) == (label == 0) ? 200 : 20 } }
let data = try ByteDataset(sampleShape: [8, 8, 1], classNames: ["up", "down"], samples: samples, labels: labels)

let model = Sequential {
  Conv2D(4, kernelSize: 3, activation: .relu)
  MaxPooling2D(2)
  Flatten()
  Dense(2, activation: .softmax)
}
let step = TrainingStep(
  model: model, sampleShape: Shape(data.sampleShape), loss: CategoricalCrossentropy(),
  optimizer: RMSprop(learningRate: 0.01))

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
guard losses[4] < losses[0] else { throw BackendError(.internal, "the loss did not fall: \(losses)") }
