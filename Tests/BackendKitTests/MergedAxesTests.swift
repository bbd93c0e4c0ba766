import SwitchbackBackendKit
import Testing

@Suite struct MergedAxesTests {
  @Test("axes that every tensor walks evenly are one, whatever their direction")
  func merges() {
    let dense = MergedAxes([2, 3, 4], [[12, 4, 1], [12, 4, 1]])
    #expect(dense.extents == [24] && dense.strides == [[1], [1]])
    // The second tensor is transposed: its axes do not go together.
    let transposed = MergedAxes([2, 3, 4], [[12, 4, 1], [4, 8, 1]])
    #expect(transposed.extents == [2, 3, 4] && transposed.strides == [[12, 4, 1], [4, 8, 1]])
    let reversed = MergedAxes([2, 3, 4], [[12, 4, 1], [12, -4, 1]])
    #expect(reversed.extents == [2, 3, 4])
    // Backwards through all of it is even again.
    let backwards = MergedAxes([2, 3], [[3, 1], [-3, -1]])
    #expect(backwards.extents == [6] && backwards.strides == [[1], [-1]])
    // What is stretched stays where it is.
    let stretched = MergedAxes([5, 2, 3], [[6, 3, 1], [0, 0, 0]])
    #expect(stretched.extents == [30] && stretched.strides == [[1], [0]])
  }

  @Test("axes of extent 1 go, those of extent 0 stay, and a scalar has none")
  func ends() {
    let thin = MergedAxes([1, 3, 1, 2, 1], [[6, 2, 9, 1, 7]])
    #expect(thin.extents == [6] && thin.strides == [[1]])
    #expect(MergedAxes([0, 3], [[3, 1], [0, 1]]).extents.contains(0))
    #expect(MergedAxes([1, 1], [[1, 1]]).rank == 0)
    #expect(MergedAxes([], [[], []]).strides == [[], []])
  }

  @Test("the last axis is taken away with each tensor's stride")
  func last() {
    var axes = MergedAxes([2, 3], [[3, 1], [1, 2]])
    let line = axes.popLast()
    #expect(line?.extent == 3 && line?.strides == [1, 2])
    #expect(axes.extents == [2] && axes.strides == [[3], [1]])
    let (first, none) = (axes.popLast(), axes.popLast())
    #expect(first?.extent == 2 && none == nil)
  }
}
