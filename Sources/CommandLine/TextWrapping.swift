/// Rows of at most `width` characters, broken at spaces where there are any; further rows are indented by two more.
package func wrapped(_ line: String, _ width: Int) -> String {
  var (rows, row, used) = ([String](), "", 0)
  let indent = String(repeating: " ", count: min(line.prefix { $0 == " " }.count + 2, max(width / 4, 0)))
  for (index, word) in line.split(separator: " ", omittingEmptySubsequences: false).enumerated() {
    // Colours take no room.
    let length = word.replacing(/\u{1B}\[[0-9]+m/, with: "").count
    if index > 0, used + 1 + length > width, !row.allSatisfy({ $0 == " " }) {
      rows.append(row)
      (row, used) = (indent + word, indent.count + length)
    } else {
      row += (index > 0 ? " " : "") + word
      used += (index > 0 ? 1 : 0) + length
    }
  }
  return (rows + [row]).joined(separator: "\n")
}
