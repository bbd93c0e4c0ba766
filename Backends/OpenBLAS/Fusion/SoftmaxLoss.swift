import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// The loss of a classification, its gradient and the probabilities are made of the same exponentials, row by row.
///
///                x [N, classes]       labels               constants
///                │                      │                      │
///        ╭───────┼──────────╮         oneHot           fill, multiply …
///        │       │          │           │                      │
///        │       │    ╭─────┼───────────t                  broadcast
///        │       │    │     │           │                      │
///     softmax  softmaxCrossEntropy      │           ╭──────────u [N]
///        │            │     │           │           │
///        y          reduce  softmaxCrossEntropy/backward
///                     │                 │
///                   loss                dx
///
/// One of softmax and the gradient there is. oneHot, reduce, broadcast and the constants belong to it where nothing else
/// computes with what they make, and so does the count of `RightAnswers` where the labels are known. y is only written
/// beside: where an operation computes with it, softmax stays alone. Where a probe, a tap or the host looks between, what it
/// sees is written too. A gradient that hangs on this loss or its mean, or on these probabilities, comes later, so this is no
/// match.
enum SoftmaxLoss: FusionPattern {
  static func match(_ first: Int, in fusion: Fusion) -> FusedCalls? {
    guard let rows = LossRows(of: first, in: fusion) else { return nil }
    let half = MatchedHalf(calls: rows.calls, results: rows.results(in: fusion.segment))
    guard let between = half.between(fusion.uses) else { return nil }
    return FusedCalls(halves: [half]) { _ in [[try rows.work(in: fusion, between.watched)]] }
  }
}

/// The calls, and the work of them.
private struct LossRows {
  private let x, targets, loss: Int
  private let crossEntropy: Int
  private let softmax, gradient, oneHot, reduction: Int?
  private let upstream: Upstream?
  private let right: RightAnswers?

  /// What begins with the call `first`, the loss of each row.
  init?(of first: Int, in fusion: Fusion) {
    let (segment, uses) = (fusion.segment, fusion.uses)
    guard segment.calls[first].operation is SoftmaxCrossEntropy, fusion.computes(first),
      let loss = segment.calls[first].outputs[0]
    else { return nil }
    let (x, targets) = (segment.calls[first].inputs[0], segment.calls[first].inputs[1])
    let readers = uses.readers(of: x).filter(fusion.computes)
    let gradient = readers.first { call in
      segment.calls[call].operation is SoftmaxCrossEntropyBackward
        && Array(segment.calls[call].inputs.prefix(2)) == [x, targets]
    }
    let softmax = readers.first { call in
      (segment.calls[call].operation as? Softmax)?.axis == 1
        && segment.calls[call].outputs[0].map { uses.inner($0, within: []) } == .watched
    }
    guard gradient != nil || softmax != nil else { return nil }
    let readersOfTargets = Set([first, gradient].compactMap { $0 })
    oneHot = uses.writer(of: targets).flatMap { call in
      segment.calls[call].operation is OneHot && fusion.computes(call)
        && uses.inner(targets, within: readersOfTargets) != .shared ? call : nil
    }
    reduction = uses.onlyReader(of: loss).flatMap { call in
      guard let reduce = segment.calls[call].operation as? Reduce, fusion.computes(call) else { return nil }
      return [.sum, .mean].contains(reduce.function) && reduce.axes == [0] ? call : nil
    }
    right = oneHot.flatMap { RightAnswers(of: x, labels: segment.calls[$0].inputs[0], in: fusion) }
    upstream = gradient.map { Upstream(of: $0, in: fusion) }
    // A work does not read what it makes.
    let made = [loss, reduction.flatMap { segment.calls[$0].outputs[0] }, right?.total]
    if let operand = upstream?.operand, made.contains(operand) { return nil }
    (self.x, self.targets, self.loss, crossEntropy) = (x, targets, loss, first)
    (self.softmax, self.gradient) = (softmax, gradient)
  }

  /// The one whose index may be wrong leads.
  var calls: [Int] {
    let others =
      [crossEntropy, softmax, gradient, reduction].compactMap { $0 } + (upstream?.calls ?? []) + (right?.calls ?? [])
    return [oneHot].compactMap { $0 } + others.sorted()
  }

  /// What is written in any case.
  func results(in segment: Segment) -> [Int] {
    [gradient, reduction ?? crossEntropy].compactMap { result(of: $0, in: segment) } + [right?.total].compactMap { $0 }
  }

  private func result(of call: Int?, in segment: Segment) -> Int? { call.flatMap { segment.calls[$0].outputs[0] } }

  func work(in fusion: Fusion, _ watched: Set<Int>) throws -> Work {
    let (segment, kernels) = (fusion.segment, fusion.library.kernels)
    let memory = memory(in: segment, watched)
    let (rows, classes) = (segment.values[x].type.shape[0], segment.values[x].type.shape[1])
    var operands = memory.read.map { Work.Operand(value: $0, access: .rows) }
    // It counts nothing, since a constant is no operand unless somebody looks at how it is made.
    if case .one(let one) = memory.upstream { operands.append(.init(value: one, access: .whole, isCounted: false)) }
    var results = [Work.Result(value: memory.total ?? loss, form: .rows)]
    if let reduction { results[0].form = try form(ofSum: reduction, in: fusion) }
    if let right { results.append(.init(value: right.total, form: try form(ofSum: right.reduction, in: fusion))) }
    if let dx = memory.dx { results.append(.init(value: dx, form: .rows)) }
    results += memory.beside.map { .init(value: $0, form: .rows, isBeside: true) }
    return Work(
      calls: calls, operands: operands, results: results, rows: rows, isDivisible: true,
      cost: fusion.cost(
        of: calls.filter { $0 != softmax || gradient == nil }, reading: memory.read,
        writing: [memory.dx ?? memory.y ?? loss]),
      bound: memory.labels.map { _ in Work.Bound(count: classes, what: "classes") },
      scratch: { rows in rows * memory.scratchNumbers(classes) * 4 }
    ) { frame in memory.run(frame, classes: classes, kernels) }
  }

  private func form(ofSum call: Int, in fusion: Fusion) throws -> Work.Form {
    guard let reduce = fusion.segment.calls[call].operation as? Reduce else { return .rows }
    return try fusion.maker(call).reduce(reduce).results[0].form
  }

  private func memory(in segment: Segment, _ watched: Set<Int>) -> LossMemory {
    let (labels, total) = (oneHot.map { segment.calls[$0].inputs[0] }, result(of: reduction, in: segment))
    return LossMemory(
      x: x, targets: targets, labels: labels, loss: loss, total: total, y: result(of: softmax, in: segment),
      dx: result(of: gradient, in: segment), upstream: upstream?.source,
      keepsTargets: labels == nil || watched.contains(targets), keepsLoss: total == nil || watched.contains(loss),
      keptUpstream: upstream.flatMap { !$0.calls.isEmpty && watched.contains($0.value) ? $0.value : nil },
      right: right, keptAnswers: watched.intersection(right?.between ?? []))
  }
}

/// Where the numbers of the work lie: values, or scratch memory unless somebody looks.
private struct LossMemory {
  let x, targets: Int
  /// What the targets are made of within the work.
  let labels: Int?
  let loss: Int
  /// The sum or the mean of the loss.
  let total: Int?
  let y, dx: Int?
  let upstream: Upstream.Source?
  let keepsTargets, keepsLoss: Bool
  /// The upstream gradient of each row, where it is made within and somebody looks.
  let keptUpstream: Int?
  let right: RightAnswers?
  /// Of the values between its calls those that somebody looks at.
  let keptAnswers: Set<Int>

  /// Operands that are divided.
  var read: [Int] {
    var perRow: Int?
    if case .rows(let value) = upstream { perRow = value }
    return [x, labels ?? targets, perRow].compactMap { $0 }
  }

  var beside: [Int] {
    [y, labels != nil && keepsTargets ? targets : nil, total != nil && keepsLoss ? loss : nil, keptUpstream]
      .compactMap { $0 } + (right?.between.filter(keptAnswers.contains) ?? [])
  }

  /// Numbers of 4 bytes for a row.
  func scratchNumbers(_ classes: Int) -> Int {
    (keepsTargets ? 0 : classes) + (keepsLoss ? 0 : 1) + (right == nil ? 0 : 1)
  }

  func run(_ frame: Work.Frame, classes: Int, _ kernels: UnsafePointer<sb_kernels>) {
    let scratch = frame.scratch.assumingMemoryBound(to: Float.self)
    let rowTargets = keepsTargets ? frame.floats(targets) : scratch
    let losses = keepsLoss ? frame.floats(loss) : scratch + (keepsTargets ? 0 : frame.rows * classes)
    if let labels { frame.writeOneHot(labels, classes: classes, to: rowTargets) }
    var (perRow, scale): (UnsafePointer<Float>?, Float) = (nil, 0)
    switch upstream {
    case .rows(let value): perRow = UnsafePointer(frame.floats(value))
    case .one(let value): scale = frame.floats(value)[0]
    case .constant(let number): scale = number
    case nil: break
    }
    var all = sb_softmax_loss(
      x: frame.floats(x), targets: rowTargets, upstream: perRow, scale: scale, y: y.map { frame.floats($0) },
      loss: losses, dx: dx.map { frame.floats($0) })
    kernels.pointee.softmax_loss(&all, Int64(frame.rows), Int64(classes))
    if let keptUpstream { frame.floats(keptUpstream).update(repeating: scale, count: frame.rows) }
    if let total {
      let part = frame.pointers[total].assumingMemoryBound(to: Double.self)
      part.pointee += kernels.pointee.sum(Int64(frame.rows), losses)
    }
    if let right, let labels {
      // Behind the rows of targets and losses.
      let answers = frame.scratch.assumingMemoryBound(to: Int32.self) + frame.rows * (scratchNumbers(classes) - 1)
      right.count(
        frame, x: x, labels: labels, classes: classes, watched: keptAnswers, scratch: answers, kernels)
    }
  }
}

/// Where the gradient of each row's loss comes from.
private struct Upstream {
  enum Source {
    /// The value itself, an operand.
    case rows(Int)
    /// A value of one element.
    case one(Int)
    case constant(Float)
  }

  /// [N]
  let value: Int
  let source: Source
  /// What makes the value within the work, of one element or a constant.
  private(set) var calls: [Int] = []

  /// What the work reads of it.
  var operand: Int? {
    switch source {
    case .rows(let value), .one(let value): value
    case .constant: nil
    }
  }

  /// What the call `gradient` reads.
  init(of gradient: Int, in fusion: Fusion) {
    let (segment, uses) = (fusion.segment, fusion.uses)
    let inputs = segment.calls[gradient].inputs
    value = inputs[2]
    guard uses.inner(value, within: [gradient]) != .shared, let maker = uses.writer(of: value) else {
      source = .rows(value)
      return
    }
    if let (number, makers) = fusion.constant(value, readBy: gradient) {
      (source, calls) = (.constant(number), makers)
      return
    }
    // One address a value: what is stretched is not divided.
    guard segment.calls[maker].operation is Broadcast, fusion.computes(maker),
      let one = segment.calls[maker].inputs.first, !inputs.contains(one),
      segment.values[one].type.shape.elementCount == 1
    else {
      source = .rows(value)
      return
    }
    (source, calls) = (.one(one), [maker])
  }
}
