/// A list that is made once and read in every run: no counting of references, no look at its bounds.
struct FixedList<Element>: @unchecked Sendable {
  // Unchecked: nobody writes to it.
  private let base: UnsafeMutablePointer<Element>
  let count: Int

  init(_ elements: [Element]) {
    count = elements.count
    base = .allocate(capacity: max(count, 1))
    base.initialize(from: elements, count: count)
  }

  @inline(__always)
  subscript(index: Int) -> Element {
    @inline(__always) unsafeAddress { UnsafePointer(base + index) }
  }

  /// Once nobody reads it any more.
  func discard() {
    base.deinitialize(count: count)
    base.deallocate()
  }
}
