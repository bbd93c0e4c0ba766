import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// The end of a training step: the loss of logits, its mean, their gradient and their probabilities.
private struct LossProgram {
  /// What keeps the loss and the gradient from being one work.
  enum Obstacle: CaseIterable {
    case otherLogits, otherTargets, gradientHangsOnTheLoss, gradientIsTheLoss, gradientIsTheMean, replacedLogits
  }
  /// A second reader of what lies between.
  enum Reader: String, CaseIterable {
    case targets = "oneHot", loss = "reduce", upstream = "broadcast", probabilities = "softmax"
    case answers = "argmax"
  }
  /// How right answers are counted: not, each as one, by weights, or of other logits or labels.
  enum Counting: CaseIterable { case none, ones, weighted, otherLogits, otherLabels }
  /// What the gradient of each row's loss is.
  enum Upstream { case constant, number, rows }

  var rows = 64
  var classes = 10
  var hasLabels = true
  var upstream = Upstream.constant
  var counting = Counting.none
  /// Without a gradient: an evaluation.
  var isTrained = true
  /// Stands in some logits.
  var special: Float?
  /// Stands among the labels.
  var wrongLabel: Int32?

  struct Run {
    /// The calls of each work.
    var groups: [[String]]
    var loss: [UInt32]
    var y: [UInt32]
    var dx: [UInt32]?
    var correct: [UInt32]?
    /// What lies between, where it is tapped.
    var seen: [[UInt32]]
    /// The work of the loss.
    var group: [String]? { groups.first { $0.contains("softmaxCrossEntropy") } }
  }

  func run(
    _ onlooker: Onlooker = .nobody, _ obstacle: Obstacle? = nil, readAgain reader: Reader? = nil,
    on backend: any ComputeBackend = OpenBLASBackend(), workers: Int = 2
  ) throws -> Run {
    var builder = ProgramBuilder(name: "loss")
    let type = TensorType.float32([rows, classes])
    let x =
      obstacle == .replacedLogits
      ? builder.state("x", type) : try builder.append(Unary(.negate), builder.input("x", type))
    // The same numbers in a value of its own.
    let other = obstacle == nil ? x : try builder.append(Unary(.negate), builder.input("x again", type))
    let targets = try makeTargets("", in: &builder)
    let loss = try builder.append(SoftmaxCrossEntropy(), x, targets)
    let mean = try builder.append(Reduce(.mean, axes: [0]), loss)
    builder.output("loss", mean)
    var (between, dx) = ([targets, loss], Value?.none)
    let (correct, answers) = try count(x, in: &builder)
    // Probes look at numbers.
    between += answers.filter { onlooker != .probes || $0.type.elementType == .float32 }
    if isTrained {
      var scale = try makeUpstream(in: &builder)
      if upstream != .rows { between.append(scale) }
      if reader == .upstream { builder.output("again", try builder.append(Unary(.negate), scale)) }
      switch obstacle {
      case .gradientHangsOnTheLoss: scale = try builder.append(Binary(.multiply), loss, scale)
      case .gradientIsTheLoss: scale = loss
      case .gradientIsTheMean: scale = try builder.append(Broadcast(shape: [rows]), mean)
      default: break
      }
      if obstacle == .replacedLogits { _ = try builder.append(Assign(), [x, builder.input("next", type)]) }
      let gradientTargets = obstacle == .otherTargets ? try makeTargets(" again", in: &builder) : targets
      dx = try builder.append(
        SoftmaxCrossEntropyBackward(), obstacle == .otherLogits ? other : x, gradientTargets, scale)
      builder.output("dx", dx!)
    }
    let y = try builder.append(Softmax(axis: 1), other)
    builder.output("y", y)
    var readers: [(Reader, Value)] = [(.targets, targets), (.loss, loss), (.probabilities, y)]
    if reader == .answers, let found = answers.first {
      readers.append((.answers, try builder.append(Cast(to: .float32), found)))
    }
    for (word, value) in readers where word == reader {
      builder.output("again", try builder.append(Unary(.negate), value))
    }
    let taps = try onlooker.look(at: between, in: &builder)
    let states = StateStore()
    let executor = try ProgramExecutor(
      builder.build(), on: chain(backend, workers: workers), states: states, taps: taps)
    for info in builder.program.values {
      switch info.role {
      case .input: try executor.withInput(info.name) { fill($0, info) }
      case .state: try states.withMutableBytes(of: info.name) { fill($0, info) }
      default: continue
      }
    }
    try executor.run()
    let groups = executor.plan.reports.flatMap(\.groupNames).map { name in
      name.prefix { $0 != "·" }.split(separator: " ").filter { $0 != "+" }.map { String($0) }
    }
    return Run(
      groups: groups, loss: try executor.bits(of: mean.id), y: try executor.bits(of: y.id),
      dx: try dx.map { try executor.bits(of: $0.id) }, correct: try correct.map { try executor.bits(of: $0.id) },
      seen: try between.map(\.id).filter { taps.contains($0) }.map(executor.bits))
  }

  /// The right answers, and what lies between.
  private func count(_ x: Value, in builder: inout ProgramBuilder) throws -> (Value?, between: [Value]) {
    guard counting != .none else { return (nil, []) }
    let scores =
      counting == .otherLogits ? builder.input("x once more", .float32([rows, classes])) : x
    let labels = counting == .otherLabels ? "labels once more" : "labels"
    let found = try builder.append(ArgMax(axis: 1), scores)
    let known = builder.program.value(named: labels).map(builder.value) ?? builder.input(labels, .int32([rows]))
    let isRight = try builder.append(Binary(.equal), found, known)
    let counted = try builder.append(Cast(to: .float32), isRight)
    let weighted =
      counting == .weighted
      ? try builder.append(Binary(.multiply), counted, builder.input("weights", .float32([rows]))) : counted
    let sum = try builder.append(Reduce(.sum, axes: [0]), weighted)
    builder.output("correct", sum)
    return (sum, [found, isRight, counted])
  }

  private func makeTargets(_ suffix: String, in builder: inout ProgramBuilder) throws -> Value {
    guard hasLabels else { return builder.input("targets" + suffix, .float32([rows, classes])) }
    return try builder.append(OneHot(classes: classes), builder.input("labels" + suffix, .int32([rows])))
  }

  /// As the gradient of a mean makes it, of a number, or given.
  private func makeUpstream(in builder: inout ProgramBuilder) throws -> Value {
    switch upstream {
    case .rows: return builder.input("upstream", .float32([rows]))
    case .number: return try builder.append(Broadcast(shape: [rows]), builder.input("number", .float32([1])))
    case .constant:
      let one = try builder.append(
        Reshape(shape: [1]), builder.append(Fill(value: 1, shape: [], elementType: .float32)))
      let share = try builder.append(Fill(value: 0.3, shape: [], elementType: .float32))
      return try builder.append(Broadcast(shape: [rows]), builder.append(Binary(.multiply), one, share))
    }
  }

  /// Numbers by a name's first word: "x again" is as x.
  private func fill(_ bytes: UnsafeMutableRawBufferPointer, _ info: Program.ValueInfo) {
    let word = info.name.prefix { $0 != " " }
    var state = word.utf8.reduce(UInt32(7)) { $0 &* 31 &+ UInt32($1) }
    for element in 0..<info.type.shape.elementCount {
      state = state &* 1_664_525 &+ 1_013_904_223
      if word == "labels" {
        let label = element == 3 ? wrongLabel : nil
        bytes.storeBytes(of: label ?? Int32(state >> 8) % Int32(classes), toByteOffset: 4 * element, as: Int32.self)
      } else {
        var number = Float(state >> 8) * 0x1p-24
        if word == "x" { number = element % 37 == 5 ? special ?? number : 18 * number - 9 }
        bytes.storeBytes(of: number, toByteOffset: 4 * element, as: Float.self)
      }
    }
  }
}

@Suite(.enabled(if: isOpenBLASHere(), "libopenblas.so.0 is not on this machine")) struct SoftmaxLossFusionTests {
  private static let sizes = [1, 7, 64, 250].flatMap { rows in [2, 10, 17, 1000].map { (rows, $0) } }

  @Test(
    "the loss, its mean, gradient and probabilities are one work of the bits that the calls have; whoever looks sees these",
    arguments: sizes)
  func fires(rows: Int, classes: Int) throws {
    let cases: [(hasLabels: Bool, upstream: LossProgram.Upstream, special: Float?, words: String)] = [
      (true, .constant, nil, "oneHot C reduce fill reshape fill binary broadcast C/backward softmax"),
      (true, .number, .infinity, "oneHot C reduce broadcast C/backward softmax"),
      (false, .rows, .nan, "C reduce C/backward softmax"),
      (false, .constant, -.infinity, "C reduce fill reshape fill binary broadcast C/backward softmax"),
    ]
    for (hasLabels, upstream, special, words) in cases {
      let program = LossProgram(
        rows: rows, classes: classes, hasLabels: hasLabels, upstream: upstream, special: special)
      let apart = try program.run(.taps, .otherLogits)
      #expect(apart.group == ["softmaxCrossEntropy"])
      for onlooker in Onlooker.allCases {
        for workers in [1, 3] {
          let fused = try program.run(onlooker, workers: workers)
          #expect(fused.group?.joined(separator: " ") == words.replacing("C", with: "softmaxCrossEntropy"))
          #expect(fused.loss == apart.loss && fused.dx == apart.dx && fused.y == apart.y, "\(onlooker)")
          if onlooker == .taps { #expect(fused.seen == apart.seen) }
        }
      }
      // An evaluation.
      var evaluation = program
      evaluation.isTrained = false
      let evaluated = try evaluation.run()
      #expect(evaluated.group == (hasLabels ? ["oneHot"] : []) + ["softmaxCrossEntropy", "reduce", "softmax"])
      #expect(evaluated.loss == apart.loss && evaluated.y == apart.y)
    }
  }

  @Test("right answers are counted by the same work, with the bits that the calls have", arguments: sizes)
  func counts(rows: Int, classes: Int) throws {
    for special in [nil, Float.nan, .infinity] {
      let program = LossProgram(rows: rows, classes: classes, counting: .ones, special: special)
      let apart = try program.run(.taps, .otherLogits)
      #expect(apart.groups.contains(["argmax"]) && apart.group == ["softmaxCrossEntropy"])
      let number = Float(bitPattern: try #require(apart.correct?.first))
      #expect((0...Float(rows)).contains(number) && number == number.rounded())
      for onlooker in Onlooker.allCases {
        for workers in [1, 3] {
          let fused = try program.run(onlooker, workers: workers)
          let words = "oneHot C reduce argmax binary cast reduce fill reshape fill binary broadcast C/backward softmax"
          #expect(fused.group?.joined(separator: " ") == words.replacing("C", with: "softmaxCrossEntropy"))
          #expect(fused.correct == apart.correct && fused.loss == apart.loss && fused.dx == apart.dx, "\(onlooker)")
          if onlooker == .taps { #expect(fused.seen == apart.seen) }
        }
      }
    }
  }

  @Test(
    "right answers by weights, of other logits or of other labels are counted by calls of their own",
    arguments: [LossProgram.Counting.weighted, .otherLogits, .otherLabels])
  fileprivate func mustNotCount(counting: LossProgram.Counting) throws {
    let alone = try LossProgram().run()
    let run = try LossProgram(counting: counting).run()
    let group = try #require(run.group)
    #expect(group.contains("softmaxCrossEntropy/backward") && !group.contains("argmax"), "\(run.groups)")
    #expect(run.groups.contains(["argmax"]), "\(run.groups)")
    #expect(run.loss == alone.loss && run.y == alone.y && run.dx == alone.dx)
    let reference = try LossProgram(counting: counting).run(on: ReferenceBackend())
    if counting != .weighted { #expect(run.correct == reference.correct) }
  }

  @Test(
    "the gradient of other logits, of other targets, one that hangs on the loss, and one behind an update are not fused",
    arguments: LossProgram.Obstacle.allCases)
  fileprivate func mustNot(obstacle: LossProgram.Obstacle) throws {
    for hasLabels in [true, false] {
      let run = try LossProgram(hasLabels: hasLabels).run(.nobody, obstacle)
      #expect(run.group == ["softmaxCrossEntropy"], "\(run.groups)")
      #expect(run.groups.contains(["softmaxCrossEntropy/backward"]), "\(run.groups)")
    }
  }

  @Test("what something else computes with is made by a call of its own", arguments: LossProgram.Reader.allCases)
  fileprivate func secondReader(reader: LossProgram.Reader) throws {
    let alone = try LossProgram().run()
    let run = try LossProgram(counting: reader == .answers ? .ones : .none).run(readAgain: reader)
    let group = try #require(run.group)
    #expect(group.contains("softmaxCrossEntropy/backward") && !group.contains(reader.rawValue), "\(run.groups)")
    #expect(run.groups.contains([reader.rawValue]), "\(run.groups)")
    #expect(run.loss == alone.loss && run.dx == alone.dx && run.y == alone.y)
  }

  @Test("a label outside the classes is the error that it is of the calls alone", arguments: [10, -1] as [Int32])
  func wrongLabel(label: Int32) throws {
    func message(_ backend: any ComputeBackend) -> String {
      let program = LossProgram(wrongLabel: label)
      let error = #expect(throws: ExecutionError.self) { try program.run(on: backend) }
      return error?.message ?? ""
    }
    let truth = message(ReferenceBackend())
    #expect(truth.contains("index \(label) at position 3 is outside the 10 classes"))
    #expect(message(OpenBLASBackend()).replacing("openblas", with: "reference") == truth)
  }
}
