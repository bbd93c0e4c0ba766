import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackFFTConvolution
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackOpenCL
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

@Suite struct NormalizationStepTests {
  private let step = TrainingStep(
    model: Sequential {
      Conv2D(8, kernelSize: 5, strides: 3, useBias: false)
      GroupNormalization(groups: 4)
      Activation(.relu)
      Conv2D(6, kernelSize: 3, strides: 2)
      GroupNormalization(groups: -1)
      LayerNormalization(axis: [1, 2, 3])
      Flatten()
      Dense(20, activation: .tanh)
      RMSNormalization()
      Dense(10, activation: .softmax)
    }, sampleShape: [28, 28, 1], loss: CategoricalCrossentropy(), optimizer: SGD(learningRate: 0.1))

  private func losses(_ backends: [any ComputeBackend]) throws -> (losses: [Double], plan: ExecutionPlan) {
    let host = try HostServices(workers: 2)
    let links = try backends.map {
      BackendChain.Link(name: $0.identity.name, device: try $0.open(device: 0, options: [:], host: host))
    }
    let session = try TrainingSession(step: step, batchSize: 64, seed: 1, on: BackendChain(links, host: host))
    return (try session.train(try madeData(count: 256), steps: 8), try session.plan)
  }

  @Test("a network of all normalizations trains alike on every backend alone, and behind fft")
  func trains() throws {
    let truth = try losses([ReferenceBackend()]).losses
    #expect(truth[7] < 0.95 * truth[0], "\(truth)")
    for chain in [[OpenBLASBackend()], [OpenCLBackend()], [FFTBackend(), OpenBLASBackend()]] as [[any ComputeBackend]]
    where chain.allSatisfy({ (try? $0.devices())?.isEmpty == false }) {
      let (found, plan) = try losses(chain)
      let words = chain.map(\.identity.name).joined(separator: ", ")
      for (a, b) in zip(found, truth) { #expect(abs(a - b) <= 1e-3 * b, "\(words)") }
      // Four layers forward, and backward; each whole on the last of the chain.
      #expect(plan.composites.count == 8, "\(words)")
      for composite in plan.composites {
        #expect(composite.partCount == 0 && composite.backend == chain.last?.identity.name)
      }
    }
  }
}
