public import SwitchbackPrograms

/// Who changes the gradient between two values of a network.
public enum WayPart: String, Hashable, Sendable, CaseIterable {
  /// What has weights, and whatever else lies before a layer's pre-activation.
  case weights
  /// The activation of a layer.
  case gate
  /// The steps of a recurrent layer, with their gates and recurrent weights.
  case recurrence
  case pooling
  case normalization
  case dropout
  /// A sum, a product or a joining of several inputs. On the way back it is a fork.
  case join
}

/// A value of a network whose gradient can be watched: pre-activations and outputs of gates, and what stands on both sides
/// of pooling, normalization, dropout and joins.
public struct WayPoint: Hashable, Sendable {
  /// The layer: `layers.2.conv2d`.
  public let path: String
  public let value: Value
  /// Who stands between this value and its sources.
  public let part: WayPart
  /// The points that it is computed from, with no other point between: places among all points, in their order.
  public let sources: [Int]
  /// The gradient of the value in a training step; `nil` where no weight lies before it, or where the loss starts behind
  /// it.
  public internal(set) var gradient: Value?
}

/// A layer that changes the gradient and is no gate.
struct Passage: Hashable, Sendable {
  let path: String
  let part: WayPart
  /// The value before it, of its own; none of a join.
  let input: Value?
  let output: Value
}

extension [WayPoint] {
  /// The points of a program that has run forward only, in the order in which they are computed.
  init(_ gates: [Gate], _ passages: [Passage], in program: Program) {
    var marks: [Int: (path: String, value: Value, part: WayPart)] = [:]
    func mark(_ path: String, _ value: Value, _ part: WayPart, over replaced: WayPart? = nil) {
      guard marks[value.id] == nil || marks[value.id]?.part == replaced else { return }
      marks[value.id] = (path, value, part)
    }
    for gate in gates where gate.output != gate.preActivation {
      mark(gate.path, gate.output, gate.course == nil ? .gate : .recurrence)
    }
    for gate in gates { mark(gate.path, gate.preActivation, .weights) }
    for passage in passages {
      // A normalization is its own gate, and the sum of a residual block that of its activation.
      mark(passage.path, passage.output, passage.part, over: .weights)
    }
    for passage in passages { if let input = passage.input { mark(passage.path, input, .weights) } }

    self = []
    // By value: the points whose numbers are in it.
    var arriving: [Int: Set<Int>] = [:]
    func reach(_ id: Int, _ points: Set<Int>, _ list: inout [WayPoint]) {
      guard let mark = marks[id] else {
        arriving[id] = points.isEmpty ? nil : points
        return
      }
      arriving[id] = [list.count]
      list.append(WayPoint(path: mark.path, value: mark.value, part: mark.part, sources: points.sorted()))
    }
    for id in program.values.indices where program.values[id].role != .temporary { reach(id, [], &self) }
    for call in program.calls {
      let points = call.inputs.reduce(into: Set<Int>()) { $0.formUnion(arriving[$1] ?? []) }
      for case let output? in call.outputs { reach(output, points, &self) }
    }
  }
}
