import SwitchbackBackendKit
import SwitchbackPrograms

/// An operation that this backend computes. Its file in `Operations/` conforms it, and that is all there is to register.
protocol OpenCLOperation: TensorOperation {
  /// The launches for the maker's call; an error is why the call is left to another backend.
  func work(_ maker: WorkMaker) throws -> Work
}

/// Turns a call into launches, or says why it is declined.
struct WorkMaker {
  let segment: Segment
  let call: Program.Call
  let traits: DeviceTraits

  func type(_ operand: Int) -> TensorType { segment.values[call.inputs[operand]].type }
  func input(_ operand: Int) -> Argument { .value(call.inputs[operand]) }
  func shape(_ operand: Int) -> Shape { type(operand).shape }
  var types: [TensorType] { segment.inputTypes(call) }
  /// The first result; `make()` makes sure that it is wanted.
  var result: TensorType { segment.values[call.outputs[0] ?? 0].type }
  var output: Argument { .value(call.outputs[0] ?? 0) }

  func make() -> Result<Work, Declined> {
    do {
      return .success(try work())
    } catch let declined as Declined {
      return .failure(declined)
    } catch {
      return .failure(Declined(reason: "\(error)"))
    }
  }

  /// Why the call is declined before its operation is asked; nil where it is not.
  var refusal: Declined? {
    guard call.outputs.first != .some(nil) else { return Declined(reason: "its first result is not wanted") }
    let results = call.outputs.compactMap { $0.map { segment.values[$0].type } }
    for type in types + (call.operation is Statistics ? [] : results) {
      guard !type.elementType.isFloatingPoint || type.elementType == .float32 else {
        return Declined(reason: "only f32 is computed here, not \(type.elementType.rawValue)")
      }
      guard type.shape.elementCount < 1 << 31 else { return Declined(reason: "\(type) has more than 2³¹ elements") }
    }
    return nil
  }

  private func work() throws -> Work {
    if let refusal { throw refusal }
    guard let operation = call.operation as? any OpenCLOperation else {
      throw Declined(reason: "\(call.operation.name) is not implemented here")
    }
    return try operation.work(self)
  }
}
