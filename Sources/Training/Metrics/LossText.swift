import Foundation

extension Double {
  /// A loss or a metric for people: `0.2344`, and four digits where four decimals would show fewer than three of them:
  /// `3.2e-05`. Powers of ten where the digits before the point would be noise.
  package var lossText: String {
    let size = abs(self)
    if size == 0 { return "0.0000" }
    // Of 0.01 four decimals show three digits.
    return String(format: size < 0.01 ? "%.4g" : size < 1e6 ? "%.4f" : "%.3e", self)
  }
}
