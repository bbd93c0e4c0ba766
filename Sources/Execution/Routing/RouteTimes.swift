/// What segments cost on backends: measured where one ran, otherwise the sum of what its atoms took in the backend's
/// own whole program. That sum leaves out what a cut costs, so it is rather too low, and a path that looks best by it
/// is measured before it is believed.
package struct RouteTimes {
  private struct Key: Hashable {
    var link: Int
    var atoms: Range<Int>
  }

  private var measured: [Key: Double] = [:]
  private var units: [Int: [Double?]] = [:]
  private let atomCount: Int

  package init(atomCount: Int) { self.atomCount = atomCount }

  /// Of several measurements the lowest holds: whatever else runs on the machine only adds.
  package mutating func record(_ seconds: Double, link: Int, atoms: Range<Int>) {
    let key = Key(link: link, atoms: atoms)
    measured[key] = min(measured[key] ?? .infinity, seconds)
  }

  package mutating func record(unit seconds: Double, link: Int, atom: Int) {
    units[link, default: Array(repeating: nil, count: atomCount)][atom, default: 0] += seconds
  }

  /// In seconds; infinite where nothing is known.
  package func seconds(link: Int, atoms: Range<Int>) -> Double {
    if let known = measured[Key(link: link, atoms: atoms)] { return known }
    guard let known = units[link] else { return .infinity }
    return atoms.reduce(0) { $0 + (known[$1] ?? .infinity) }
  }
}

extension Array<Double?> {
  fileprivate subscript(index: Int, default value: Double) -> Double {
    get { self[index] ?? value }
    set { self[index] = newValue }
  }
}

/// The middle one, or the mean of the middle two; infinite where there is none.
package func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  guard !sorted.isEmpty else { return .infinity }
  return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}
