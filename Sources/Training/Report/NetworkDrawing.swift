import Foundation
public import SwitchbackNeuralNetworks

/// A network as SVG: each layer a box below those that it reads from. No script, readable in light and dark.
public struct NetworkDrawing {
  private struct Box {
    var path: String
    var words: String
    /// Places of the boxes that it reads from.
    var sources: [Int]
    /// Layers on the longest way from an input.
    var row: Int
    /// From the left, in columns.
    var column = 0.0
  }

  private let boxes: [Box]
  private let columns: Int

  private static let (width, height, across, down) = (170.0, 26.0, 190.0, 44.0)
  /// A drawing of more layers helps nobody.
  private static let most = 2_000

  /// Of a session's `layers`, or of a file that may hold anything.
  public init(_ layers: [LayerSummary]) {
    var boxes: [Box] = []
    var places: [String: Int] = [:]
    func add(_ box: Box) -> Int {
      places[box.path] = boxes.count
      boxes.append(box)
      return boxes.count - 1
    }
    for layer in layers.prefix(Self.most) where !layer.inputs.isEmpty && places[layer.path] == nil {
      // What no layer before it is called is a field.
      let sources = layer.inputs.map { name in
        places[name] ?? add(Box(path: name, words: name, sources: [], row: 0))
      }
      let row = sources.map { boxes[$0].row + 1 }.max() ?? 0
      _ = add(Box(path: layer.path, words: Self.words(layer), sources: sources, row: row))
    }
    var widest = 1
    for row in Set(boxes.map(\.row)).sorted() {
      // Below what it reads from, so that few lines cross.
      let inRow = boxes.indices.filter { boxes[$0].row == row }.sorted { Self.wish($0, boxes) < Self.wish($1, boxes) }
      widest = max(widest, inRow.count)
      for (column, place) in inRow.enumerated() {
        boxes[place].column = Double(column) - Double(inRow.count - 1) / 2
      }
    }
    (self.boxes, columns) = (boxes, widest)
  }

  private static func wish(_ place: Int, _ boxes: [Box]) -> Double {
    let sources = boxes[place].sources
    return sources.reduce(0) { $0 + boxes[$1].column } / Double(max(sources.count, 1))
  }

  /// `conv2d 28×28×16`
  private static func words(_ layer: LayerSummary) -> String {
    let parts = layer.path.split(separator: ".")
    let name = parts.last.map(String.init) ?? layer.path
    return name + " " + layer.outputShape.dropFirst().map { "\($0)" }.joined(separator: "×")
  }

  /// Nothing where there is no layer.
  public var svg: String {
    guard !boxes.isEmpty else { return "" }
    // Lines that pass rows by go around on the right.
    let margin = 40.0
    let width = Double(columns) * Self.across + 2 * margin
    let height = Double((boxes.map(\.row).max() ?? 0) + 1) * Self.down + 16
    func place(_ box: Box) -> (x: Double, y: Double) {
      (width / 2 + box.column * Self.across, Double(box.row) * Self.down + 8)
    }
    var (lines, shapes) = ([String](), [String]())
    for box in boxes {
      let (x, y) = place(box)
      for source in box.sources.map({ boxes[$0] }) {
        let (fromX, fromY) = (place(source).x, place(source).y + Self.height)
        let isNext = box.row == source.row + 1
        let side = max(x, fromX) + Self.width / 2 + margin / 2
        let way =
          isNext
          ? "M\(fromX.tenth) \(fromY.tenth)L\(x.tenth) \(y.tenth)"
          : "M\(fromX.tenth) \(fromY.tenth)C\(side.tenth) \((fromY + Self.down).tenth) \(side.tenth) "
            + "\((y - Self.down).tenth) \(x.tenth) \(y.tenth)"
        lines.append("<path class=\"edge\" d=\"\(way)\"/>")
      }
      shapes.append(
        "<g><title>\(box.path.htmlEscaped)</title><rect class=\"\(box.sources.isEmpty ? "field" : "layer")\" "
          + "x=\"\((x - Self.width / 2).tenth)\" y=\"\(y.tenth)\" width=\"\(Self.width)\" height=\"\(Self.height)\" "
          + "rx=\"5\"/><text class=\"tick\" text-anchor=\"middle\" x=\"\(x.tenth)\" y=\"\((y + 17).tenth)\">"
          + "\(Self.shortened(box.words).htmlEscaped)</text></g>")
    }
    return
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(width) \(height)\" width=\"\(width)\" role=\"img\">"
      + "\(lines.joined())\(shapes.joined())</svg>"
  }

  /// As a file of its own, with its colours.
  public var file: String {
    let style = """
      <style>svg{color-scheme:light dark;--line:#b8bec6;--ink:#1b1f24;--one:#2563b8;background:#fff}\
      @media(prefers-color-scheme:dark){svg{--line:#4a525b;--ink:#e6e8eb;--one:#6aa5f0;background:#14171a}}\
      text{font:12px system-ui,sans-serif;fill:var(--ink)}\(Self.style)</style>
      """
    guard let end = svg.firstIndex(of: ">") else { return "" }
    return svg[...end] + style + svg[svg.index(after: end)...] + "\n"
  }

  /// Of lines and boxes, in a page's or a file's style.
  static let style = """
    svg .edge{fill:none;stroke:var(--line);stroke-width:1.4}svg .layer{fill:none;stroke:var(--line)}\
    svg .field{fill:none;stroke:var(--one)}
    """

  private static func shortened(_ words: String) -> String {
    words.count > 26 ? "…" + words.suffix(25) : words
  }
}
