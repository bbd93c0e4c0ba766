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

/// Two digits: `31000`, `2.1e-07`.
func shortened(_ value: Double) -> String {
  guard value.isFinite, value != 0 else { return value == 0 ? "0" : "infinitely " }
  let exponent = Int(log10(abs(value)).rounded(.down))
  let digits = (value / pow10(Double(exponent)) * 10).rounded() / 10
  if (0..<6).contains(exponent) {
    let whole = digits * pow10(Double(exponent))
    return exponent == 0 ? "\(digits)" : "\(Int(whole.rounded()))"
  }
  return "\(digits)e\(exponent)"
}
