/// Parts of data whose samples have an order: first those for training, then for validation, then for testing.
struct OrderedSplit {
  let train: Range<Int>
  /// Empty where none is held out.
  let validation: Range<Int>
  let test: Range<Int>

  /// Each part has the nearest whole number to its share; that for validation is one of what is not for testing. What is no
  /// share is none or all.
  init(_ count: Int, test testShare: Double, validation validationShare: Double) {
    func part(_ share: Double, of count: Int) -> Int {
      share.isFinite ? Int((Double(count) * min(max(share, 0), 1)).rounded()) : 0
    }
    let tests = part(testShare, of: count)
    let held = part(validationShare, of: count - tests)
    train = 0..<count - tests - held
    validation = train.upperBound..<count - tests
    test = count - tests..<count
  }
}
