#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

// Numbers as a finding says them.

func pow10(_ decades: Double) -> Double { pow(10, decades) }

/// One decimal: `4.5`.
func rounded(_ value: Double) -> String {
  guard value.isFinite else { return value > 0 ? "infinitely many" : "\(value)" }
  let tenths = (value * 10).rounded() / 10
  return tenths == 0 ? "0.0" : "\(tenths)"
}

/// Two digits: `31000`, `0.35`, `2.1e-7`.
func shortened(_ value: Double) -> String {
  guard value.isFinite, value != 0 else { return value == 0 ? "0" : "infinitely " }
  var exponent = Int(log10(abs(value)).rounded(.down))
  var digits = (value / pow10(Double(exponent)) * 10).rounded() / 10
  // 9.97 has two digits as 10.
  if abs(digits) >= 10 { (exponent, digits) = (exponent + 1, digits / 10) }
  if (0..<6).contains(exponent) {
    let whole = digits * pow10(Double(exponent))
    return exponent == 0 ? "\(digits)" : "\(Int(whole.rounded()))"
  }
  if (-2..<0).contains(exponent) { return "\((digits * 10).rounded() / (exponent == -1 ? 100 : 1000))" }
  return "\(digits)e\(exponent)"
}

/// log₁₀ in thousandths, as a memory keeps it: 0 as the smallest.
func thousandths(_ value: Double) -> Int {
  value > 1e-300 ? Int((log10(min(value, 1e300)) * 1000).rounded()) : -300_000
}
