import SwitchbackBackendKit
import SwitchbackPrograms

extension Normalize: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.normalize(self) }
}

extension NormalizeBackward: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.normalizeBackward(self) }
}

extension WorkMaker {
  func normalize(_ operation: Normalize) throws -> Work {
    let form = try NormalizationForm(type(0), axis: operation.axis, groups: operation.groups)
    let inverse = call.outputs[1]
    return work(
      "normalize_groups", form, isCentered: operation.centered, options: inverse == nil ? [] : ["-DINVERSE"],
      [input(0), output, inverse.map(Argument.value) ?? .unused, .float(operation.epsilon)])
  }

  func normalizeBackward(_ operation: NormalizeBackward) throws -> Work {
    let form = try NormalizationForm(type(0), axis: operation.axis, groups: operation.groups)
    return work(
      "normalize_groups_backward", form, isCentered: operation.centered, options: [],
      [input(0), input(1), input(2), output])
  }

  /// A work-group for each sample's group. On a CPU it has one work-item, which takes as many numbers of a line as a
  /// register holds; elsewhere a small or a large number of them, so that few programs are compiled.
  private func work(
    _ function: String, _ form: NormalizationForm, isCentered: Bool, options: [String], _ arguments: [Argument]
  ) -> Work {
    let line = form.groups == 1 ? form.count : form.width
    var (vector, items) = (1, 1)
    if traits.deviceClass == .cpu {
      vector = [16, 4].first { line % $0 == 0 } ?? 1
    } else {
      items = form.count > 128 ? 256 : 32
      while items > traits.maxWorkGroup { items /= 2 }
    }
    return Work([
      Launch(
        KernelName(
          "normalize", function,
          ["-DVECTOR=\(vector)", "-DITEMS=\(items)"] + (isCentered ? ["-DCENTERED"] : [])
            + (form.groups == 1 ? ["-DWHOLE"] : []) + options),
        arguments + [.int(form.positions), .int(form.groups), .int(form.width)],
        global: [form.samples * form.groups * items], local: [items])
    ])
  }
}
