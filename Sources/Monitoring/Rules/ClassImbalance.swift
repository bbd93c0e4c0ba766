/// One class is nearly all there is, and what is rare is not found; or training sees one class alone, or lacks one that the
/// evaluation has.
///
/// Labels are counted at looks alone, so it says of how many batches they are: what the others hold nobody has seen. Many classes are rare without harm, so a ratio alone says nothing (SageMaker Debugger's ClassImbalance takes 10, and a share
/// of 0.7 taken wrongly): it speaks where less than half of the rarest class is found besides. Only labels of samples that
/// all count alike are counted: class weights are a cure already.
public struct ClassImbalance: Rule {
  public let name = "classImbalance"
  /// Labels of the most frequent class for one of the rarest.
  public var ratio: Double
  /// The share of a class that is found, below which it counts as lost.
  public var recall: Double
  /// Labels that it must have seen, and evaluated samples of the class.
  static let leastLabels = 500
  static let leastSamples = 5
  private var counts = ClassCounts()
  /// Batches whose labels were counted.
  private var batches = 0
  private var persistence = Persistence(needed: 1)

  public init(ratio: Double = 20, recall: Double = 0.5) { (self.ratio, self.recall) = (ratio, recall) }

  public var memory: [String: Int] {
    get {
      var memory = counts.memory().merging(persistence.memory()) { first, _ in first }
      memory["batches"] = batches
      return memory
    }
    set {
      counts.recall(newValue)
      batches = natural(newValue["batches"])
      persistence.recall(newValue)
    }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard let classes = rows.facts.classes else { return nil }
    counts.add(classes.counts)
    batches = natural(batches + 1)
    return nil
  }

  public mutating func observe(_ evaluation: EvaluationFacts) -> Finding? {
    guard evaluation.outputs.count == 1, counts.total >= Self.leastLabels, evaluation.step >= 100 else { return nil }
    let found = fault(evaluation.outputs[0].classes, evaluation.step)
    return persistence.opens(found != nil) ? found : nil
  }

  private func fault(_ classes: [EvaluationFacts.Class], _ step: Int) -> Finding? {
    guard classes.count > 1 else { return nil }
    func finding(
      _ severity: Finding.Severity, _ cause: String, _ subject: String, _ evidence: [String: Double], _ words: String
    ) -> Finding {
      Finding(
        rule: name, severity: severity, step: step, layers: [], subject: subject, cause: cause,
        evidence: evidence.merging(["labels": Double(counts.total)]) { first, _ in first }, message: words)
    }
    // A memory of an earlier program did not count batches.
    let seen = "the \(counts.total) labels looked at" + (batches > 0 ? " (\(batches) of \(step) batches)" : "")
    let places = classes.indices
    if counts.occurring == 1, let only = places.first(where: { counts[$0] > 0 }) {
      return finding(
        .error, "constant", classes[only].name, ["classes": Double(classes.count)],
        "All of \(seen) are \(classes[only].name): in these there is nothing to tell apart. See what data.label reads, "
          + "and whether the order of the samples keeps classes together.")
    }
    let evaluated = Double(max(classes.reduce(0) { $0 + $1.samples }, 1))
    let absent = places.filter {
      counts[$0] == 0 && classes[$0].samples >= 10
        && Double(classes[$0].samples) / evaluated * Double(counts.total) >= 20
    }
    if let place = absent.first {
      return finding(
        .warning, "absent", classes[place].name, ["samples": Double(classes[place].samples)],
        "None of \(seen) is \(classes[place].name), of which the evaluation has \(classes[place].samples) samples: it "
          + "cannot be learnt if the other batches have none either. See how the parts were divided (data.test_split, "
          + "data.validation_split).")
    }
    let most = places.max { counts[$0] < counts[$1] } ?? 0
    let lost = places.filter { place in
      let here = classes[place]
      return counts[place] > 0 && Double(counts[most]) >= ratio * Double(counts[place])
        && here.samples >= Self.leastSamples && Double(here.right) < recall * Double(here.samples)
    }
    guard let rarest = lost.min(by: { counts[$0] < counts[$1] }) else { return nil }
    let times = Double(counts[most]) / Double(max(counts[rarest], 1))
    let share = Double(classes[rarest].right) / Double(max(classes[rarest].samples, 1))
    return finding(
      .warning, "imbalance", classes[rarest].name, ["ratio": times, "recall": share],
      "Of \(seen) \(shortened(times)) times as many are \(classes[most].name) as \(classes[rarest].name), and of the "
        + "evaluation's samples of that \(Int((share * 100).rounded())) % are found: the accuracy hides it. Try training.class_weights, or more samples "
        + "of it, and watch a metric by class (recall, f1_score).")
  }
}
