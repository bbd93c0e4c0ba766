import SwitchbackTraining
import Testing

@Suite struct SpreadTests {
  @Test(
    "the median of an even count is the mean of the middle two, and nothing has zeros",
    arguments: [([3.0, 1, 2], 2.0, 1.0, 3.0), ([4, 1, 3, 2], 2.5, 1, 4), ([5], 5, 5, 5), ([], 0, 0, 0)])
  func median(numbers: [Double], median: Double, low: Double, high: Double) {
    let spread = Spread(numbers)
    #expect(spread.median == median && spread.low == low && spread.high == high)
  }
}
