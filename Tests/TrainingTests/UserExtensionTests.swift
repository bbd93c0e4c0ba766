import Foundation
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

/// An operation that Switchback does not know: x·tanh(softplus(x)) (Misra, 2019).
private struct Mish: TensorOperation, ReferenceKernel {
  static let name = "mish"
  static let law = "y = x·tanh(ln(1 + eˣ))"
  static let specialValues = SpecialValueLaw(.everywhere, nan: "NaN stays NaN; −∞ gives NaN")
  static let samples = [OperationSample(Mish(), [.float32([1])]), OperationSample(Mish(), [.float32([3, 7])])]
  static let furtherSamples: [OperationSample] = []
  static func questions(on sample: OperationSample) -> [SampleQuestion] { [.wide([.range(-6, 6)])] }
  static let randomProgramPart = RandomProgramPart.absent(reason: "conformance does not know it")

  func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    guard inputs.count == 1 else { throw ProgramError("mish takes one tensor, not \(inputs.count)") }
    return inputs
  }

  /// t + x·σ(x)·(1 − t²) with t = tanh(softplus(x)), in operations that there are already.
  func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    let x = call.inputs[0]
    let t = try builder.append(Unary(.tanh), builder.append(Unary(.softplus), x))
    let one = try builder.scalar(1, x.type.elementType)
    let rest = try builder.append(Binary(.subtract), one, builder.append(Unary(.square), t))
    let gate = try builder.append(Binary(.multiply), x, builder.append(Unary(.sigmoid), x))
    let slope = try builder.append(Binary(.add), t, builder.append(Binary(.multiply), gate, rest))
    return .flows([try builder.append(Binary(.multiply), call.upstream[0]!, slope)])
  }

  func cost(for inputs: [TensorType]) -> Cost {
    Cost(flops: 6 * inputs[0].shape.elementCount, bytes: 2 * inputs[0].byteCount)
  }

  func errorBound(for inputs: [TensorType]) -> ErrorBound { .ulpsOfLargest(8) }

  func run(_ operands: ReferenceOperands) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    func compute<T: BinaryFloatingPoint>(_ type: T.Type) {
      let (x, y) = (operands.inputs[0].elements(type), result.elements(type))
      for e in 0..<result.count {
        let value = Double(x[e])
        y[e] = T(value * tanh(log1p(exp(value))))
      }
    }
    if result.type.elementType == .float64 { compute(Double.self) } else { compute(Float.self) }
  }
}

/// The same as a layer.
private struct MishLayer: UnaryLayer {
  var kind: String { "mish" }

  func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.append(Mish(), input)
  }
}

@Suite struct UserExtensionTests {
  @Test("the gradient of a user's own operation passes finite differences")
  func gradient() throws {
    for sample in Mish.samples {
      #expect(try #require(try GradientCheck(sample, on: try chain(ReferenceBackend())).worst) <= 1e-6)
    }
  }

  @Test("a network with it trains: on the reference, and on OpenBLAS with this one operation falling back")
  func trains() throws {
    let step = TrainingStep(
      model: Sequential {
        Flatten()
        Dense(16)
        MishLayer()
        Dense(10, activation: .softmax)
      }, sampleShape: [28, 28, 1], loss: CategoricalCrossentropy(), optimizer: Adam())
    let data = try madeData()
    let reference = try TrainingSession(step: step, batchSize: 64, seed: 1, on: try chain(ReferenceBackend()))
    let truth = try reference.train(data, steps: 30)
    #expect(truth[29] < 0.5 * truth[0])
    if !hasOpenBLAS { try Test.cancel("libopenblas.so.0 is not on this machine") }
    let host = try HostServices(workers: 2)
    // Through the contract too, where the operation is only a name that the other side does not know.
    let backends: [any ComputeBackend] = [
      OpenBLASBackend(), try LoadedBackend(table: exportBackend(OpenBLASBackend())),
    ]
    for backend in backends {
      let links = try [backend, ReferenceBackend() as any ComputeBackend].map {
        BackendChain.Link(name: $0.identity.name, device: try $0.open(device: 0, options: [:], host: host))
      }
      let session = try TrainingSession(step: step, batchSize: 64, seed: 1, on: BackendChain(links, host: host))
      let plan = try session.plan
      let fallen = zip(plan.program.calls, plan.placements).filter { $0.1.link == 1 }.map(\.0.operation.name)
      #expect(fallen == ["mish"])
      for (a, b) in zip(try session.train(data, steps: 30), truth) { #expect(abs(a - b) <= 1e-3 * b) }
    }
  }

  @Test("with the catalogue that has it, a program's text reads back")
  func text() throws {
    let program = try OperationSample(Mish(), [.float32([3])]).program()
    #expect(throws: ProgramError.self) { try Program(text: program.description) }
    #expect(try Program(text: program.description, catalog: OperationCatalog.standard.adding([Mish.self])) == program)
  }
}
