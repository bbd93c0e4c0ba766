/// Layers' paths for people.
package enum LayerPaths {
  /// The paths with commas between. Turns of one `repeat` that follow one another, three or more, are one word:
  /// `layers.1.repeat.0 to .14 (layers.0.dense)`.
  package static func words(_ paths: [String]) -> String {
    var runs: [Run] = []
    for path in paths {
      let turn = Turn(path)
      if let turn, let index = runs.lastIndex(where: { $0.first?.isOfSameLayer(as: turn) == true }),
        runs[index].last == turn.number - 1
      {
        runs[index].last = turn.number
        runs[index].paths.append(path)
      } else {
        runs.append(Run(first: turn, last: turn?.number ?? 0, paths: [path]))
      }
    }
    return runs.map(\.words).joined(separator: ", ")
  }

  /// A layer in a turn of a `repeat`: of the outermost where one stands in another.
  private struct Turn {
    var list: Substring
    var number: Int
    var rest: Substring

    init?(_ path: String) {
      guard let match = path.firstMatch(of: /^(.*?\.repeat)\.([0-9]+)(\..*)?$/), let number = Int(match.2) else {
        return nil
      }
      (list, self.number, rest) = (match.1, number, match.3?.dropFirst() ?? "")
    }

    func isOfSameLayer(as other: Turn) -> Bool { list == other.list && rest == other.rest }
  }

  private struct Run {
    var first: Turn?
    var last: Int
    var paths: [String]

    var words: String {
      guard let first, paths.count > 2 else { return paths.joined(separator: ", ") }
      return "\(first.list).\(first.number) to .\(last)" + (first.rest.isEmpty ? "" : " (\(first.rest))")
    }
  }
}
