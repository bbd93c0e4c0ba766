import SwitchbackCPUKernels
import SwitchbackPrograms

extension Normalize: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.normalize(self) }
}

extension NormalizeBackward: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.normalizeBackward(self) }
}

extension WorkMaker {
  /// A row is a sample.
  func normalize(_ operation: Normalize) throws -> Work {
    let form = try NormalizationForm(type(0), axis: operation.axis, groups: operation.groups)
    let size = sb_normalization(form, epsilon: operation.epsilon, isCentered: operation.centered)
    let (x, y, inverse, kernels) = (input(0), output, call.outputs[1], library.kernels)
    let bytes = Int(withUnsafePointer(to: size) { kernels.pointee.normalize_scratch_bytes($0) })
    return work(access: [.rows], rows: form.samples, scratch: { _ in bytes }) { frame in
      withUnsafePointer(to: size) {
        kernels.pointee.normalize(
          $0, Int64(frame.rows), frame.floats(x), frame.floats(y), inverse.map { frame.floats($0) }, frame.scratch)
      }
    }
  }

  func normalizeBackward(_ operation: NormalizeBackward) throws -> Work {
    let form = try NormalizationForm(type(0), axis: operation.axis, groups: operation.groups)
    let size = sb_normalization(form, epsilon: 0, isCentered: operation.centered)
    let (y, inverse, dy, dx, kernels) = (input(0), input(1), input(2), output, library.kernels)
    let bytes = Int(withUnsafePointer(to: size) { kernels.pointee.normalize_scratch_bytes($0) })
    return work(access: [.rows, .rows, .rows], rows: form.samples, scratch: { _ in bytes }) { frame in
      withUnsafePointer(to: size) {
        kernels.pointee.normalize_backward(
          $0, Int64(frame.rows), frame.floats(y), frame.floats(inverse), frame.floats(dy), frame.floats(dx),
          frame.scratch)
      }
    }
  }
}

extension sb_normalization {
  fileprivate init(_ form: NormalizationForm, epsilon: Double, isCentered: Bool) {
    self.init(
      positions: Int64(form.positions), groups: Int64(form.groups), width: Int64(form.width), epsilon: epsilon,
      centered: isCentered ? 1 : 0)
  }
}
