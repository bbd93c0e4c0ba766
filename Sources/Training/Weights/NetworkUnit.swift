import SwitchbackPrograms

/// Weights of a network that another framework holds in one layer: those below one path, of attention with its projections.
struct NetworkUnit: Hashable, Sendable {
  enum Kind: Hashable {
    case attention, lstm, gru, simpleRNN, batchNormalization, normalization, embedding, convolution, depthwise,
      separable
    case dense, other
  }

  struct Weight: Hashable {
    /// `kernel`, of attention `query/kernel`.
    var name: String
    /// `layers.0.conv2d/kernel`
    var full: String
    var shape: [Int]
  }

  var path: String
  var weights: [Weight]
  /// What the layer reads, without the batch; empty where that is not known.
  var inputShape: [Int] = []
  /// C, H and W (or C and T) of what was flattened to the features that it reads; nil where nothing was.
  var flattened: [Int]?
  /// Of attention.
  var heads = 1

  subscript(name: String) -> Weight? { weights.first { $0.name == name } }

  /// Whether it runs from the last step to the first, beside one that does not.
  var isBackward: Bool { path.hasSuffix(".backward") }

  var kind: Kind {
    if self["query/kernel"] != nil { return .attention }
    if let recurrent = self["recurrentKernel"]?.shape, recurrent.count == 2, recurrent[0] > 0 {
      return [4: .lstm, 3: .gru, 1: .simpleRNN][recurrent[1] / recurrent[0]] ?? .other
    }
    if self["movingMean"] != nil { return .batchNormalization }
    if self["embeddings"] != nil { return .embedding }
    if self["pointwiseKernel"] != nil { return .separable }
    if self["depthwiseKernel"] != nil { return .depthwise }
    if let kernel = self["kernel"] {
      return kernel.shape.count == 2 ? .dense : kernel.shape.count == 4 ? .convolution : .other
    }
    return self["gamma"] != nil || self["beta"] != nil ? .normalization : .other
  }

  /// Whether a kernel of four axes is one over sequences.
  var isOverSequence: Bool { inputShape.count == 2 }
}

extension NetworkUnit {
  private static let projections = ["query", "key", "value", "attentionOutput"]

  /// The units of a program of one sample, in the order of its layers.
  static func units(of program: Program) -> [NetworkUnit] {
    var units: [NetworkUnit] = []
    var places: [String: Int] = [:]
    let names = program.values(.state).map { program.values[$0].name }
    for id in program.values(.state) {
      let (full, shape) = (program.values[id].name, program.values[id].type.shape.extents)
      guard let stroke = full.lastIndex(of: "/") else { continue }
      var (path, name) = (String(full[..<stroke]), String(full[full.index(after: stroke)...]))
      if let point = path.lastIndex(of: "."), projections.contains(String(path[path.index(after: point)...])),
        projections.allSatisfy({ names.contains("\(path[..<point]).\($0)/kernel") })
      {
        name = path[path.index(after: point)...] + "/" + name
        path = String(path[..<point])
      }
      let place = places[path] ?? units.count
      if place == units.count { units.append(NetworkUnit(path: path, weights: [])) }
      places[path] = place
      units[place].weights.append(Weight(name: name, full: full, shape: shape))
    }
    let makers = program.makers
    for place in units.indices { units[place].look(at: program, makers) }
    return units
  }

  /// Finds what the layer reads, what of it was flattened, and how many heads attend.
  private mutating func look(at program: Program, _ makers: [Int: Int]) {
    let own = program.calls.indices.filter {
      let path = program.calls[$0].path
      return path == self.path || path.hasPrefix(self.path + ".")
    }
    let made = Set(own.flatMap { program.calls[$0].outputs.compactMap { $0 } })
    let read = own.lazy.flatMap { program.calls[$0].inputs }.first {
      program.values[$0].role != .state && !made.contains($0) && program.values[$0].type.shape.rank > 0
    }
    guard let read else { return }
    inputShape = Array(program.values[read].type.shape.extents.dropFirst())
    if kind == .attention, let query = self["query/kernel"]?.shape.last {
      heads =
        own.lazy.compactMap { place -> Int? in
          let call = program.calls[place]
          guard let reshape = call.operation as? Reshape, reshape.shape.count == 4 else { return nil }
          return reshape.shape[3] == query ? 1 : reshape.shape[2] * reshape.shape[3] == query ? reshape.shape[2] : nil
        }.first ?? 1
    }
    guard kind == .dense || kind == .batchNormalization || kind == .normalization else { return }
    flattened = program.flattened(read, makers)
  }
}

extension Program {
  /// By value: the call that makes it.
  fileprivate var makers: [Int: Int] {
    var makers: [Int: Int] = [:]
    for (place, call) in calls.enumerated() {
      for case let output? in call.outputs where makers[output] == nil { makers[output] = place }
    }
    return makers
  }

  /// C, H, W of the image, or C, T of the sequence of a convolution, that features `[1, F]` were flattened from, with what
  /// keeps their order between.
  fileprivate func flattened(_ value: Int, _ makers: [Int: Int]) -> [Int]? {
    let shape = values[value].type.shape.extents
    guard shape.count == 2, let features = shape.last else { return nil }
    var value = value
    while let place = makers[value] {
      let call = calls[place]
      if call.operation is Reshape {
        let before = values[call.inputs[0]].type.shape.extents
        guard before.dropFirst().reduce(1, *) == features, before.first == 1 else { return nil }
        switch before.count {
        case 4: return [before[3], before[1], before[2]]
        case 3 where isOfConvolution(call.inputs[0], makers): return [before[2], before[1]]
        case 2: break
        default: return nil
        }
      }
      // The numbers that it computes with one by one; a product mixes them.
      guard !(call.operation is MatrixMultiplication),
        let next = call.inputs.first(where: {
          values[$0].role != .state && values[$0].type.shape.extents.last == features
        })
          ?? (call.operation is Reshape ? call.inputs[0] : nil)
      else { return nil }
      value = next
    }
    return nil
  }

  /// Whether the nearest product before a value is a convolution's.
  private func isOfConvolution(_ value: Int, _ makers: [Int: Int]) -> Bool {
    var value = value
    while let place = makers[value] {
      let call = calls[place]
      if call.operation is Convolution2D || call.operation is Convolution2DBackwardInput { return true }
      if call.operation is MatrixMultiplication { return false }
      guard let next = call.inputs.first(where: { values[$0].role != .state }) else { return false }
      value = next
    }
    return false
  }
}
