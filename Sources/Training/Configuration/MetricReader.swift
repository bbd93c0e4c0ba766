import SwitchbackNeuralNetworks
import Yams

/// `metrics: [accuracy, {top_k_categorical_accuracy: {k: 3}}]`, by Keras's words.
enum MetricReader {
  /// Nil where nothing is said.
  static func metrics(_ section: SectionReader) -> [any Metric]? {
    if section.problems.isDescribing {
      let words = words(section.problems)
      var part = SchemaPart.list(of: entrySchema(words))
      part.nested = words
      section.describe("metrics", help: "What an evaluation counts besides the loss", part)
    }
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

  /// Each word with the keys behind it.
  private static func words(_ problems: ProblemList) -> ObjectSchema {
    var words = ObjectSchema()
    for row in MetricCatalog.rows {
      let keys = SectionReader.describing(path: row.word, problems) { row.read($0) }.schema
      var part = SchemaPart.any([.object(keys), SchemaPart(json: ["type": "null"])])
      (part.help, part.nested) = (row.help, keys)
      words.add(row.word, part, isRequired: false)
    }
    return words
  }

  /// A word, or a mapping of one.
  private static func entrySchema(_ words: ObjectSchema) -> SchemaPart {
    var one = words.json
    (one["minProperties"], one["maxProperties"]) = (1, 1)
    return .any([.choice(MetricCatalog.rows.map(\.word), nil), SchemaPart(json: one)])
  }
}
