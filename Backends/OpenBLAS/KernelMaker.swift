import SwitchbackBackendKit
import SwitchbackPrograms

/// An operation that this backend computes. Its file in `Operations/` conforms it, and that is all there is to register.
protocol OpenBLASOperation: TensorOperation {
  /// The kernel for the maker's call; an error is why the call is left to another backend.
  func kernel(_ maker: KernelMaker) throws -> Kernel
}

/// Turns a call into a kernel, or says why it is declined.
struct KernelMaker {
  let segment: Segment
  let call: Program.Call
  let library: OpenBLASLibrary

  func type(_ operand: Int) -> TensorType { segment.values[call.inputs[operand]].type }
  func input(_ operand: Int) -> Int { call.inputs[operand] }
  /// The number of the first result, which `kernel()` makes sure is wanted.
  var output: Int { call.outputs[0] ?? 0 }
  var types: [TensorType] { segment.inputTypes(call) }

  /// Elements of one row.
  func rowSize(_ type: TensorType) -> Int { type.shape.extents.dropFirst().reduce(1, *) }
  /// The first extent; a scalar is one row.
  func rowCount(_ type: TensorType) -> Int { type.shape.extents.first ?? 1 }

  func make() -> Result<Kernel, Declined> {
    do {
      return .success(try kernel())
    } catch let declined as Declined {
      return .failure(declined)
    } catch {
      return .failure(Declined(reason: "\(error)"))
    }
  }

  private func kernel() throws -> Kernel {
    guard call.outputs.first != .some(nil) else { throw Declined(reason: "its first result is not wanted") }
    let results = call.operation is Statistics ? [] : call.outputs.compactMap { $0.map { segment.values[$0].type } }
    for type in types + results where type.elementType.isFloatingPoint && type.elementType != .float32 {
      throw Declined(reason: "only f32 is computed here, not \(type.elementType.rawValue)")
    }
    guard let operation = call.operation as? any OpenBLASOperation else {
      throw Declined(reason: "\(call.operation.name) is not implemented here")
    }
    return try operation.kernel(self)
  }
}
