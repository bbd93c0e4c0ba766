/// Mean and deviation of numbers that come one by one (Welford 1962).
struct Moments {
  private(set) var mean = 0.0
  /// The sum of squared distances from a mean that moves.
  private var squares = 0.0
  private var count = 0.0

  mutating func add(_ number: Double) {
    count += 1
    let distance = number - mean
    mean += distance / count
    squares += distance * (number - mean)
  }

  /// Of all numbers, not of a sample of them.
  var deviation: Double { (squares / max(count, 1)).squareRoot() }
}
