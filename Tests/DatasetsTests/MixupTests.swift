import SwitchbackDatasets
import TestFiles
import Testing

/// Pictures of random bytes, one after the other, with a class each, or with two numbers, and a row of a table beside.
private func data(_ count: Int = 7, classes: Bool = true, more: [ArrayDataset.Column] = []) throws -> ArrayDataset {
  var state: UInt32 = 9
  let pixels = (0..<count * 24).map { _ -> UInt8 in
    state = state &* 1_664_525 &+ 1_013_904_223
    return UInt8(state >> 24)
  }
  let labels: ArrayDataset.Column =
    classes
    ? .int32("labels", (0..<Int32(count)).map { $0 })
    : .float32("labels", (0..<2 * count).map { Float($0 * $0) }, shape: [2])
  return try ArrayDataset(
    [
      .uint8("images", pixels, shape: [4, 3, 2], scale: Field.pixelScale), labels,
      .float32("row", (0..<count).map { Float($0) - 2 }, shape: [1]),
    ] + more)
}

private func made(_ alpha: Double, _ change: (inout Augmentation) -> Void = { _ in }) -> Augmentation {
  var augmentation = Augmentation()
  augmentation.mixup = alpha
  change(&augmentation)
  return augmentation
}

private func numbers(_ data: any Dataset, _ index: Int) throws -> [String: [Double]] {
  try data.numbers([Int32(index)], asStored: true)
}

@Suite("Mixed samples")
struct MixupTests {
  @Test("shares are of Beta(α, α), and partners of all samples", arguments: [0.05, 0.2, 0.5, 0.75, 1, 8, 500])
  func distribution(alpha: Double) {
    let (count, whole) = (20_000, Double(Mixup.whole))
    let draws = (0..<count).map { Mixup(alpha: alpha, seed: 1, epoch: 1, sample: $0, count: 10) }
    let shares = draws.map { Double($0.share) / whole }
    #expect(shares.allSatisfy { (0...1).contains($0) })
    let mean = shares.reduce(0, +) / Double(count)
    let variance = shares.reduce(0) { $0 + ($1 - 0.5) * ($1 - 0.5) } / Double(count)
    let expected = 1 / (4 * (2 * alpha + 1))
    // Five standard errors, of the mean and, of what lies in [0, ¼], of the variance.
    #expect(abs(mean - 0.5) <= 5 * (expected / Double(count)).squareRoot())
    #expect(abs(variance - expected) <= 5 * (expected * (0.25 - expected) / Double(count)).squareRoot() + 1e-5)
    for partner in 0..<10 {
      let found = draws.count { $0.partner == partner }
      #expect(abs(found - count / 10) < 250, "\(partner): \(found)")
    }
    for draw in draws {
      #expect((0...0.5).contains(draw.smallerShare) && draw.isMostlyPartner == (2 * draw.share > Mixup.whole))
    }
  }

  @Test("a draw is that of its seed, epoch and sample")
  func draws() {
    func draw(_ seed: Int64, _ epoch: Int, _ sample: Int) -> [Int] {
      let found = Mixup(alpha: 0.4, seed: seed, epoch: epoch, sample: sample, count: 1 << 20)
      return [found.partner, found.share]
    }
    let others = [draw(2, 1, 1), draw(1, 2, 1), draw(1, 1, 2)]
    #expect(draw(1, 1, 1) == draw(1, 1, 1) && !others.contains(draw(1, 1, 1)) && Set(others).count == 3)
  }

  /// What mixing makes of numbers, where pictures are rounded.
  private func mixture(_ own: [Double], _ other: [Double], _ mixup: Mixup, rounded: Bool) -> [Double] {
    let share = Double(mixup.share) / Double(Mixup.whole)
    return zip(own, other).map { a, b in
      let sum = a * (1 - share) + b * share
      return rounded ? (sum + 0.5).rounded(.down) : Double(Float(sum))
    }
  }

  @Test("pictures and numbers are mixtures, and classes are told with their shares", arguments: [0.3, 2])
  func classes(alpha: Double) throws {
    let base = try data()
    let mixed = try AugmentedDataset(base, made(alpha), seed: 5)
    #expect(mixed.fields.prefix(3) == base.fields[...])
    #expect(mixed.fields.dropFirst(3).map(\.description) == ["labels/partner i32 []", "mixup/share f32 []"])
    #expect(mixed.layout.inputs == base.layout.inputs && mixed.layout.targets == base.layout.targets)
    var swapped = 0
    for epoch in 1...9 {
      mixed.begin(epoch: epoch)
      for index in 0..<base.count {
        let mixup = Mixup(alpha: alpha, seed: 5, epoch: epoch, sample: index, count: base.count)
        let (own, other) = (try numbers(base, index), try numbers(base, mixup.partner))
        let found = try numbers(mixed, index)
        for name in ["images", "row"] {
          let expected = mixture(try #require(own[name]), try #require(other[name]), mixup, rounded: name == "images")
          #expect(found[name] == expected, "\(name)")
        }
        let isSwapped = mixup.share > Mixup.whole / 2
        if isSwapped { swapped += 1 }
        #expect(found["labels"] == (isSwapped ? other : own)["labels"])
        #expect(found["labels/partner"] == (isSwapped ? own : other)["labels"])
        let share = Double(mixup.share) / Double(Mixup.whole)
        #expect(found["mixup/share"] == [min(share, 1 - share)])
      }
    }
    #expect(swapped > 10 && swapped < 53)
  }

  @Test("targets that are numbers are mixed, and need no fields more")
  func values() throws {
    let base = try data(classes: false)
    let mixed = try AugmentedDataset(base, made(1), seed: 5)
    #expect(mixed.fields.map(\.name) == ["images", "labels", "row", "mixup/share"])
    for index in 0..<base.count {
      let mixup = Mixup(alpha: 1, seed: 5, epoch: 1, sample: index, count: base.count)
      let targets = try [index, mixup.partner].map { try #require(try numbers(base, $0)["labels"]) }
      #expect(try numbers(mixed, index)["labels"] == mixture(targets[0], targets[1], mixup, rounded: false))
    }
  }

  @Test("a partner is changed as it is itself in that epoch, whatever is read before it")
  func changed() throws {
    let base = try data()
    func change(_ augmentation: inout Augmentation) { (augmentation.flip, augmentation.cropPadding) = (.both, 1) }
    let alone = try AugmentedDataset(base, made(0, change), seed: 5)
    let mixed = try AugmentedDataset(base, made(0.8, change), seed: 5)
    for epoch in [3, 1] {
      alone.begin(epoch: epoch)
      mixed.begin(epoch: epoch)
      let order: [Int32] = [4, 1, 6, 0, 2, 5, 3]
      let batch = try #require(try mixed.numbers(order[...], asStored: true)["images"])
      for (row, index) in order.enumerated() {
        let mixup = Mixup(alpha: 0.8, seed: 5, epoch: epoch, sample: Int(index), count: base.count)
        let pictures = try [Int(index), mixup.partner].map { try #require(try numbers(alone, $0)["images"]) }
        let expected = mixture(pictures[0], pictures[1], mixup, rounded: true)
        #expect(Array(batch[row * 24..<(row + 1) * 24]) == expected)
        #expect(try numbers(mixed, Int(index))["images"] == expected)
      }
    }
  }

  @Test("samples that no mixture is known of are an error that names the field")
  func faults() throws {
    let weights = [Float](repeating: 1, count: 7)
    let cases: [(ArrayDataset.Column, String)] = [
      (
        .int32("tokens", [Int32](repeating: 1, count: 7)),
        "mixup mixes pictures and numbers, and the data has tokens i32 []"
      ),
      (.float32("sample_weight", weights), "mixup knows no mixture of sample_weight f32 []"),
      (.int32("labels/partner", [Int32](repeating: 1, count: 7)), "mixup knows no mixture of labels/partner i32 []"),
    ]
    for (column, words) in cases {
      let error = #expect(throws: DatasetError.self) { try AugmentedDataset(data(more: [column]), made(0.2), seed: 1) }
      #expect("\(try #require(error))".contains(words))
      // Without mixup they are as good as ever.
      _ = try AugmentedDataset(data(more: [column]), made(0) { $0.cutout = 1 }, seed: 1)
    }
    let bySteps = try ArrayDataset([
      .uint8("images", [UInt8](repeating: 0, count: 8), shape: [2, 2, 1], scale: Field.pixelScale),
      .int32("labels", [0, 1, 2, 0, 0, 1], shape: [3], lengths: "lengths"), .int32("lengths", [2, 3]),
    ])
    let error = #expect(throws: DatasetError.self) { try AugmentedDataset(bySteps, made(0.2), seed: 1) }
    #expect("\(try #require(error))".contains("mixup mixes a class a sample, and labels has one for each of 3 steps"))
    _ = try AugmentedDataset(bySteps, made(0) { $0.cutout = 1 }, seed: 1)
    for alpha in [-1, 1e4, Double.nan, .infinity] {
      #expect(throws: DatasetError.self, "\(alpha)") { try AugmentedDataset(data(), made(alpha), seed: 1) }
    }
  }
}
