import SwitchbackNeuralNetworks
import Yams

/// `metrics: [accuracy, {top_k_categorical_accuracy: {k: 3}}]`, by Keras's words.
enum MetricReader {
  /// Nil where nothing is said.
  static func metrics(_ section: SectionReader) -> [any Metric]? {
    section.describe(
      "metrics", help: "What an evaluation counts besides the loss", .list(of: entrySchema(section.problems)))
    guard let node = section.take("metrics") else { return nil }
    guard let list = node.sequence else {
      section.problems.add("\(section.full("metrics")) must be a list of words, such as [accuracy]", at: node)
      return nil
    }
    var (metrics, resolved): ([any Metric], [Node]) = ([], [])
    for (index, node) in list.enumerated() {
      guard let metric = metric(node, path: "\(section.full("metrics")).\(index)", section.problems, &resolved) else {
        continue
      }
      if metrics.contains(where: { $0.name == metric.name }) {
        section.problems.add("\(section.full("metrics")): \(metric.name) is given twice", at: node)
      }
      metrics.append(metric)
    }
    section.record("metrics", Node(resolved))
    return metrics
  }

  /// A word, or `word: {keys}`.
  private static func metric(
    _ node: Node, path: String, _ problems: ProblemList, _ resolved: inout [Node]
  ) -> (any Metric)? {
    let pair = node.mapping?.count == 1 ? node.mapping?.first : nil
    guard let word = node.scalar?.string ?? pair?.key.string else {
      problems.add("\(path) must be one metric: a word, or a word and its keys", at: node)
      return nil
    }
    guard let row = MetricCatalog.rows.first(where: { $0.word == word }) else {
      let words = MetricCatalog.rows.map(\.word)
      problems.add("\(path): there is no metric \(word)\(Suggestion.words(for: word, among: words))", at: node)
      return nil
    }
    let reader = SectionReader(pair?.value, path: "\(path).\(word)", problems)
    let metric = row.read(reader)
    reader.finish()
    resolved.append(reader.resolved.isEmpty ? Node(word) : Node([(Node(word), Node(reader.resolved))]))
    return metric
  }

  private static func entrySchema(_ problems: ProblemList) -> SchemaPart {
    var mapping = ObjectSchema()
    for row in MetricCatalog.rows {
      let keys = SectionReader.describing(path: row.word, problems) { row.read($0) }.schema
      mapping.add(row.word, .any([.object(keys), SchemaPart(json: ["type": "null"])]), isRequired: false)
    }
    var one = mapping.json
    (one["minProperties"], one["maxProperties"]) = (1, 1)
    return .any([.choice(MetricCatalog.rows.map(\.word), nil), SchemaPart(json: one)])
  }
}
