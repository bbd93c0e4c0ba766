import Foundation

/// Columns of text that line up.
struct TextTable {
  private var rows: [[String]]
  private let rightAligned: Set<Int>

  init(_ head: [String], rightAligned: Set<Int> = []) { (rows, self.rightAligned) = ([head], rightAligned) }

  mutating func add(_ row: [String]) { rows.append(row) }

  /// Lines without a last newline.
  var text: String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    let lines = rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return rightAligned.contains(column) ? space + cell : cell + space
      }
      let line = cells.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
    return lines.joined(separator: "\n")
  }
}

extension Double {
  /// A measured number in a table: with tenths below 100.
  var tableText: String { String(format: self < 100 ? "%.1f" : "%.0f", self) }
}
