/// The classes of a column, numbered in the order in which they come.
struct CSVClasses {
  private(set) var names: [String] = []
  /// How many rows have each.
  private(set) var counts: [Int] = []
  private var numbers: [String: Int32] = [:]

  static let most = 1 << 16

  mutating func number(of field: CSVRow.Field) throws(CSVRow.Problem) -> Int32 {
    let name = try field.text
    guard !name.isEmpty else { throw CSVRow.Problem(message: "the class is missing", column: field.column) }
    if let known = numbers[name] {
      // Equal as text, and yet not the same: é as one scalar and as two.
      guard names[Int(known)].utf8.elementsEqual(name.utf8) else {
        throw CSVRow.Problem(
          message: "the class \(name) is written with other Unicode scalars than before; write it in one form (NFC)",
          column: field.column)
      }
      counts[Int(known)] += 1
      return known
    }
    guard names.count < Self.most else {
      throw CSVRow.Problem(
        message: "there are more than \(Self.most) classes; for numbers set data.targets to values",
        column: field.column)
    }
    let number = Int32(names.count)
    numbers[name] = number
    names.append(name)
    counts.append(1)
    return number
  }
}
