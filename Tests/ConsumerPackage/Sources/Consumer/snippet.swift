import Switchback

/// The snippet of the README, word for word: trained, saved, loaded, predicted with.
func snippet(_ data: any Dataset, in folder: String) throws -> (session: TrainingSession, loaded: TrainedModel) {
  // README
  let model = Sequential {
    Conv2D(32, kernelSize: 3, activation: .relu)
    MaxPooling2D(2)
    Flatten()
    Dense(10, activation: .softmax)
  }
  let step = TrainingStep(
    model: model, sampleShape: [28, 28, 1], loss: CategoricalCrossentropy(), optimizer: RMSprop(learningRate: 0.001))
  let session = try TrainingSession(step: step, batchSize: 64, seed: 1, on: .standard())
  for epoch in 1...2 {
    let order = BatchOrder(count: data.count, batchSize: 64, seed: 1, epoch: epoch)
    for index in 0..<order.batchCount { _ = try session.train(data, order.batch(index)) }
  }
  try session.save(to: folder + "/session.safetensors")  // everything: `load(from:)` goes on with it
  try session.trainedModel(for: data).save(to: folder + "/model.safetensors")

  let loaded = try TrainedModel(file: folder + "/model.safetensors")
  if let best = try loaded.predict(data.sample(0).values).best {
    print("\(best.name), \(best.score * 100) %")
  }
  // README
  return (session, loaded)
}
