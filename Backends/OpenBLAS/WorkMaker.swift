import SwitchbackBackendKit
import SwitchbackPrograms

/// An operation that this backend computes. Its file in `Operations/` conforms it, and that is all there is to register.
protocol OpenBLASOperation: TensorOperation {
  /// The work of the maker's call; an error is why the call is left to another backend.
  func work(_ maker: WorkMaker) throws -> Work
}

/// Turns a call into a work, or says why it is declined.
struct WorkMaker {
  let segment: Segment
  let index: Int
  let library: OpenBLASLibrary

  var call: Program.Call { segment.calls[index] }
  func type(_ operand: Int) -> TensorType { segment.values[call.inputs[operand]].type }
  func input(_ operand: Int) -> Int { call.inputs[operand] }
  /// The number of the first result, which `work()` makes sure is wanted.
  var output: Int { call.outputs[0] ?? 0 }
  var types: [TensorType] { segment.inputTypes(call) }

  /// The first extent; a scalar is one row.
  func rowCount(_ type: TensorType) -> Int { type.shape.extents.first ?? 1 }

  func make() -> Result<Work, Declined> {
    do {
      return .success(try work())
    } catch let declined as Declined {
      return .failure(declined)
    } catch {
      return .failure(Declined(reason: "\(error)"))
    }
  }

  private func work() throws -> Work {
    guard call.outputs.first != .some(nil) else { throw Declined(reason: "its first result is not wanted") }
    let results = call.operation is Statistics ? [] : call.outputs.compactMap { $0.map { segment.values[$0].type } }
    for type in types + results where type.elementType.isFloatingPoint && type.elementType != .float32 {
      throw Declined(reason: "only f32 is computed here, not \(type.elementType.rawValue)")
    }
    guard let operation = call.operation as? any OpenBLASOperation else {
      throw Declined(reason: "\(call.operation.name) is not implemented here")
    }
    return try operation.work(self)
  }

  /// A work of this call alone. `access` has one entry an operand; nil where the rows cannot be shared between chunks.
  func work(
    access: [Work.Access]?, rows: Int, isSource: Bool = false, sum: Work.Reduction? = nil, bound: Work.Bound? = nil,
    scratch: @escaping (_ rows: Int) -> Int = { _ in 0 }, run: @escaping (Work.Frame) -> Void
  ) -> Work {
    let call = call
    let operands = call.inputs.enumerated().map { Work.Operand(value: $1, access: access?[$0] ?? .whole) }
    // One address a value: what is read both ways is not divided.
    let rowsRead = Set(operands.filter { $0.access == .rows }.map(\.value))
    let isMixed = operands.contains { $0.access == .whole && rowsRead.contains($0.value) }
    return Work(
      calls: [index], operands: operands,
      results: call.outputs.compactMap { $0 }.map { Work.Result(value: $0, form: sum.map { .sum($0) } ?? .rows) },
      rows: rows, isDivisible: access != nil && !isMixed, isSource: isSource, cost: call.operation.cost(for: types),
      isProbe: call.operation is Statistics, bound: bound, scratch: scratch, run: run)
  }
}
