import Foundation
import SwitchbackMonitoring

/// A run as one HTML page without scripts or links: curves, gradient flow, findings, confusions, configuration.
public struct RunReport {
  private let record: RunRecord

  /// Reads a run folder.
  public init(folder: String) throws { record = try RunRecord(folder: folder) }

  public var html: String {
    """
    <!doctype html>
    <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
    <title>\(record.name.htmlEscaped)</title>
    <style>\(Self.style)</style></head><body>
    <h1>\(record.name.htmlEscaped)</h1>
    \(tiles)
    \(findings)
    <section class="charts">\(losses)\(accuracies)\(metricCharts)</section>
    \(gradientFlow)
    \(confusions)
    \(environment)
    \(network)
    <details><summary>Configuration, every default written out</summary>
    <pre>\(record.configuration.htmlEscaped)</pre></details>
    </body></html>

    """
  }

  // MARK: Parts

  private var tiles: String {
    guard let summary = record.summary else { return "<p>The run has not ended.</p>" }
    var tiles = [
      ("test loss", summary.testLoss.lossText),
      ("samples a second", summary.samplesPerSecond.whole), ("seconds", summary.seconds.short),
      ("backend", summary.backend), ("seed", "\(summary.seed)"), ("steps", "\(summary.steps)"),
      ("peak memory", "\(summary.peakBytes / 1_000_000) MB"),
    ]
    if let top = summary.testTop5Accuracy { tiles.insert(("top 5", Self.percent(top)), at: 0) }
    if let accuracy = summary.testAccuracy { tiles.insert(("test accuracy", Self.percent(accuracy)), at: 0) }
    tiles += (summary.testMetrics ?? [:]).sorted { $0.key < $1.key }.map { ("test \($0.key)", $0.value.lossText) }
    let cells = tiles.map { "<div><b>\($0.1.htmlEscaped)</b><span>\($0.0.htmlEscaped)</span></div>" }
    return "<section class=\"tiles\">\(cells.joined())</section>"
  }

  private var findings: String {
    guard !record.findings.isEmpty else { return "<p class=\"calm\">The gradient monitor found nothing wrong.</p>" }
    let items = record.findings.map { finding in
      "<li class=\"\(finding.severity.rawValue)\"><b>\(finding.rule.htmlEscaped)</b> at step \(finding.step): "
        + "\(finding.layers.joined(separator: ", ").htmlEscaped)<br>\(finding.message.htmlEscaped)</li>"
    }
    return "<h2>Findings</h2><ul class=\"findings\">\(items.joined())</ul>"
  }

  private var losses: String {
    LineChart(
      title: "loss by step",
      lines: [
        .init(name: "training", points: trainingLosses, style: "one"),
        .init(
          name: "validation", points: record.epochs.map { (Double($0.step), $0.validationLoss ?? .nan) }, style: "two",
          hasDots: true),
      ], isLogarithmic: true
    ).svg
  }

  /// An epoch's last batch may be of few samples, whose mean loss says little: it is left out where others are shown.
  private var trainingLosses: [(x: Double, y: Double)] {
    let whole = record.steps.filter { $0.stepInEpoch < $0.stepsInEpoch || $0.stepsInEpoch < 4 }
    return (whole.isEmpty ? record.steps : whole).map { (Double($0.step), $0.loss) }
  }

  private var accuracies: String {
    LineChart(
      title: "accuracy by epoch",
      lines: [
        .init(
          name: "training", points: record.epochs.map { (Double($0.epoch), $0.accuracy ?? .nan) }, style: "one",
          hasDots: true),
        .init(
          name: "validation", points: record.epochs.map { (Double($0.epoch), $0.validationAccuracy ?? .nan) },
          style: "two",
          hasDots: true),
      ], isCounted: true
    ).svg
  }

  /// The columns of several outputs, or of metrics besides the accuracy.
  private var columns: [String] {
    Set(
      record.epochs.flatMap {
        ($0.metrics.map { Array($0.keys) } ?? []) + ($0.validationMetrics?.keys.map { $0 } ?? [])
      }
    )
    .sorted()
  }

  /// A chart for each of these.
  private var metricCharts: String {
    columns.map { column in
      func line(_ name: String, _ style: String, _ numbers: KeyPath<EpochReport, [String: Double]?>) -> LineChart.Line {
        LineChart.Line(
          name: name, points: record.epochs.map { (Double($0.epoch), $0[keyPath: numbers]?[column] ?? .nan) },
          style: style, hasDots: true)
      }
      return LineChart(
        title: "\(column) by epoch",
        lines: [line("training", "one", \.metrics), line("validation", "two", \.validationMetrics)], isCounted: true
      ).svg
    }.joined()
  }

  /// ‖δ‖ after each layer's gate over the run: a network whose first layers starve fades towards the top.
  private var gradientFlow: String {
    let kind = ProbeKind.deltaAfterGate.rawValue
    guard let first = record.gradients.first else { return "" }
    let paths = first.probes.filter { $0.kind == kind }.map(\.path)
    guard !paths.isEmpty else { return "" }
    let share = max(1, (record.gradients.count + 23) / 24)
    let shown = record.gradients.enumerated().filter { $0.offset % share == 0 }.map(\.element)
    let head = shown.map { "<th>\($0.step)</th>" }.joined()
    let rows = paths.map { path in
      let cells = shown.map { row in
        let norm = row.probes.first { $0.kind == kind && $0.path == path }?.l2.value ?? .nan
        guard norm.isFinite, norm > 0 else { return "<td class=\"none\">\(norm == 0 ? "0" : "–")</td>" }
        // Ten decades from white to full colour.
        let strength = min(max((log10(norm) + 9) / 10, 0.03), 1)
        return "<td style=\"--s:\(String(format: "%.2f", strength))\" title=\"\(norm.short)\">"
          + "\(String(format: "%.1f", log10(norm)))</td>"
      }
      return "<tr><th>\(path.htmlEscaped)</th>\(cells.joined())</tr>"
    }
    return """
      <h2>Gradient flow</h2>
      <p>log₁₀ of ‖δ‖, the gradient at each layer's pre-activations, by step. Healthy layers have the same colour;
      a vanishing gradient fades towards the first layer, an exploding one darkens.</p>
      <div class="wide"><table class="flow"><tr><th>step</th>\(head)</tr>\(rows.joined())</table></div>
      """
  }

  private var confusions: String {
    guard let evaluation = record.evaluation else { return "" }
    if let classes = evaluation.classes { return confusions(classes, evaluation.classNames, of: nil) }
    return (evaluation.outputs ?? []).compactMap { output in
      output.classes.map { confusions($0, output.classNames, of: output.name) }
    }.joined()
  }

  private func confusions(_ classes: ConfusionMatrix, _ classNames: [String], of output: String?) -> String {
    guard classNames.count == classes.classCount else { return "" }
    let names = classNames.map(\.htmlEscaped)
    let count = classes.classCount
    // A table of a thousand classes helps nobody.
    guard count <= 40 else { return "" }
    let head = names.map { "<th>\($0)</th>" }.joined()
    let rows = (0..<count).map { truth in
      let total = max(1, (0..<count).reduce(0) { $0 + classes.samples(of: truth, takenFor: $1) })
      let cells = (0..<count).map { predicted in
        let number = classes.samples(of: truth, takenFor: predicted)
        let strength = String(format: "%.2f", number == 0 ? 0 : max(Double(number) / Double(total), 0.04))
        return "<td class=\"\(truth == predicted ? "right" : "wrong")\" style=\"--s:\(strength)\">"
          + "\(number == 0 ? "" : "\(number)")</td>"
      }
      return "<tr><th>\(names[truth])</th>\(cells.joined())<td>\(Self.percent(classes.precision(truth)))</td>"
        + "<td>\(Self.percent(classes.recall(truth)))</td></tr>"
    }
    return """
      <h2>Test set\(output.map { ", " + $0.htmlEscaped } ?? ""): who was taken for whom</h2>
      <p>Rows are the true classes, columns the predicted ones.</p>
      <div class="wide"><table class="confusion"><tr><th></th>\(head)<th>precision</th><th>recall</th></tr>
      \(rows.joined())</table></div>
      """
  }

  private var environment: String {
    guard let environment = record.environment else { return "" }
    let rows = environment.rows.map { "<tr><th>\($0.0)</th><td>\($0.1.htmlEscaped)</td></tr>" }
    return "<h2>Environment</h2><table class=\"words\">\(rows.joined())</table>"
  }

  private var network: String {
    let drawing = NetworkDrawing(record.network).svg
    return drawing.isEmpty ? "" : "<details><summary>Network</summary><div class=\"wide\">\(drawing)</div></details>"
  }

  private static func percent(_ share: Double?) -> String {
    share.map { String(format: "%.2f %%", $0 * 100) } ?? "–"
  }

  private static let style = """
    :root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--soft:#8a929b;--line:#e3e6ea;--one:#2563b8;--two:#d9730d;\
    --bad:#c0392b;--good:#2e8b57}
    @media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--paper:#14171a;--soft:#8a929b;--line:#2b3036;--one:#6aa5f0;\
    --two:#f0a35c;--bad:#e57366;--good:#5fc08a}}
    body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1360px;margin:2em auto;\
    padding:0 1.2em}
    h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}
    .tiles{display:flex;flex-wrap:wrap;gap:1.6em}.tiles b{display:block;font-size:1.35em}.tiles span{color:var(--soft)}
    .charts{display:flex;flex-wrap:wrap;gap:1.2em;margin-top:1.5em}.charts svg{flex:1 1 480px;max-width:660px}
    svg text{font:12px system-ui,sans-serif;fill:var(--soft)}svg .title{fill:var(--ink);font-weight:600}
    svg .grid{stroke:var(--line)}polyline{fill:none;stroke-width:1.6}
    polyline.one,circle.one{stroke:var(--one)}polyline.two,circle.two{stroke:var(--two)}
    circle.one{fill:var(--one)}circle.two{fill:var(--two)}text.one{fill:var(--one)!important}\
    text.two{fill:var(--two)!important}
    .calm{color:var(--good)}.findings li{margin:.6em 0}.findings b{color:var(--bad)}
    .wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px}
    th{font-weight:500;text-align:left;padding:.15em .6em;color:var(--soft)}td{padding:.15em .6em;text-align:right}
    .flow td,.confusion td.right{background:color-mix(in srgb,var(--one) calc(var(--s)*75%),transparent)}
    .confusion td.wrong{background:color-mix(in srgb,var(--bad) calc(var(--s)*100%),transparent)}
    .words td{text-align:left}
    \(NetworkDrawing.style)
    pre{background:color-mix(in srgb,var(--line) 40%,transparent);padding:1em;overflow-x:auto}summary{cursor:pointer;\
    margin-top:2em}
    """
}
