/// Where an epoch stands, in the room that there is: what matters most stays longest.
package struct LiveLine {
  var epoch: Int
  /// Steps of the epoch.
  var done: Int
  var of: Int
  /// The time left of the run.
  var left: String
  /// The first is left out last; empty ones are none.
  var numbers: [String]

  package init(epoch: Int, done: Int, of: Int, left: String, numbers: [String]) {
    (self.epoch, self.done, self.of, self.left, self.numbers) = (epoch, done, of, left, numbers)
  }

  /// Of the steps just made; an epoch's row has the means over the whole epoch.
  package static func numbers(loss: String, accuracy: String?, rate: String) -> [String] {
    ["recent loss \(loss)", accuracy.map { "accuracy \($0)" } ?? "", rate]
  }

  package func text(columns: Int, hasBar: Bool) -> String {
    var parts = ["epoch \(epoch)", left, "\(done)/\(of)"] + numbers.filter { !$0.isEmpty }
    func length() -> Int { parts.reduce(-2) { $0 + $1.count + 2 } }
    while parts.count > 2, length() > columns { parts.removeLast() }
    let room = columns == .max ? 0 : columns - length() - 2
    if hasBar, room >= 8 {
      let width = min(room, 20)
      let filled = width * min(done, of) / max(of, 1)
      parts.insert(String(repeating: "━", count: filled) + String(repeating: "─", count: width - filled), at: 1)
    }
    return parts.joined(separator: "  ")
  }
}
