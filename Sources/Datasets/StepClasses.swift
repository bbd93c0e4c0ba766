/// A class for each step of every sample, and how many steps of each sample there are.
struct StepClasses {
  /// T, of every sample.
  let steps: Int
  /// `[N, T]`, with 0 where no step is, so that nobody looks up what stands there.
  let classes: [Int32]
  private let lengths: [Int32]?

  /// `lengths` lie from 0 to `steps`, one a sample; nil: all steps are there.
  init(_ classes: [Int32], steps: Int, lengths: [Int32]?) {
    (self.steps, self.lengths) = (steps, lengths)
    guard let lengths else {
      self.classes = classes
      return
    }
    self.classes = classes.indices.map { $0 % steps < lengths[$0 / steps] ? classes[$0] : 0 }
  }

  /// Why there are not so many classes: the first step with another number; nil where there is none.
  func fault(of field: Field, classCount: Int) -> String? {
    guard let place = classes.firstIndex(where: { $0 < 0 || $0 >= classCount }) else { return nil }
    let advice =
      lengths == nil && classes[place] < 0
      ? "; where a sample ends before, the field names that of its lengths (lengths:)" : ""
    return
      "the field \(field) has the class \(classes[place]) in row \(place / steps), step \(place % steps), and there "
      + "are \(classCount) classes\(advice)"
  }
}
