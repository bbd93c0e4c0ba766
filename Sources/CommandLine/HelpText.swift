/// Help whose sentences the parser breaks at the terminal's width: lines of a paragraph become one; examples, which are
/// indented, keep theirs.
package func flowing(_ text: String) -> String {
  var lines: [Substring] = []
  var isOpen = false
  for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
    let isProse = !line.isEmpty && !line.hasPrefix(" ")
    if isProse, isOpen, let last = lines.popLast() {
      lines.append("\(last) \(line)")
    } else {
      lines.append(line)
    }
    isOpen = isProse
  }
  return lines.joined(separator: "\n")
}
