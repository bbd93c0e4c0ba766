extension DatasetRecord {
  /// Why training on data of this record gives other weights than training on data of `earlier`, in sentences; empty
  /// where it does not.
  public func differences(since earlier: DatasetRecord) -> [String] {
    var differences: [String] = []
    func compare<Value: Equatable>(_ what: String, _ then: Value?, _ now: Value?) {
      func words(_ value: Value?) -> String { value.map { "\($0)" } ?? "none" }
      if then != now { differences.append("\(what): \(words(now)), not \(words(then))") }
    }
    compare("the data set", earlier.source, source)
    differences += inputDifferences(since: earlier) + targetDifferences(since: earlier)
    compare(
      "the columns", earlier.inputs.flatMap(\.columns) + earlier.labels, inputs.flatMap(\.columns) + labels)
    let (then, now) = (earlier.inputs.flatMap { $0.words ?? [] }, inputs.flatMap { $0.words ?? [] })
    if then.map(\.encoding) != now.map(\.encoding) || !zip(then, now).allSatisfy({ $0.hasWords(of: $1) }) {
      differences.append("the words of the columns")
    }
    let vocabularies = zip(earlier.inputs.map(\.vocabulary), inputs.map(\.vocabulary))
    if !vocabularies.allSatisfy({ then, now in then.map { now?.hasWords(of: $0) ?? false } ?? (now == nil) }) {
      differences.append("the vocabulary")
    }
    if earlier.inputs.map(\.normalization) != inputs.map(\.normalization) {
      differences.append("the normalization of the columns")
    }
    compare("data.horizon", earlier.series?.horizon, series?.horizon)
    compare("data.stride", earlier.series?.stride, series?.stride)
    compare("data.test_split", earlier.testSplit, testSplit)
    compare("data.validation_split", earlier.validationSplit, validationSplit)
    compare("data.split_seed", earlier.splitSeed, splitSeed)
    for name in [Part.Name.train, .validation, .test] {
      let (then, now) = (earlier.count(of: name), count(of: name))
      compare("samples of the \(name.rawValue) part", then, now)
    }
    if identity != earlier.identity {
      differences.append("the contents of the files (\(identity), not \(earlier.identity))")
    } else if let contents, let before = earlier.contents, contents != before {
      let files = inputs.contains { $0.channels != nil } ? "pictures" : "texts"
      differences.append("the contents of \(files), whose names and sizes are as before (\(contents), not \(before))")
    }
    return differences
  }

  private func inputDifferences(since earlier: DatasetRecord) -> [String] {
    let (then, now) = (earlier.inputs, inputs)
    guard then.map(\.name) == now.map(\.name) else {
      return ["the inputs: \(Self.words(now.map(\.name))), not \(Self.words(then.map(\.name)))"]
    }
    return zip(then, now).flatMap { then, now -> [String] in
      var differences: [String] = []
      let what = inputFields == nil ? "a sample" : now.name
      if then.shape != now.shape { differences.append("the shape of \(what): \(now.shape), not \(then.shape)") }
      if then.elementType != now.elementType {
        differences.append("\(what) is \(now.field.elementType.rawValue), not \(then.field.elementType.rawValue)")
      }
      if then.fit != now.fit {
        func words(_ fit: Image.Fit?) -> String { (fit ?? .stretch).rawValue }
        differences.append("data.fit: \(words(now.fit)), not \(words(then.fit))")
      }
      if then.channels != now.channels {
        func words(_ channels: ChannelOrder?) -> String { channels?.rawValue ?? "none" }
        differences.append("channels: \(words(now.channels)), not \(words(then.channels))")
      }
      return differences
    }
  }

  private func targetDifferences(since earlier: DatasetRecord) -> [String] {
    let (then, now) = (earlier.learnt, learnt)
    guard then.map(\.name) == now.map(\.name) else {
      return ["the targets: \(Self.words(now.map(\.name))), not \(Self.words(then.map(\.name)))"]
    }
    return zip(then, now).flatMap { then, now -> [String] in
      var differences: [String] = []
      let what = targetFields == nil ? "" : " of \(now.name)"
      if then.classNames.map({ Array($0.utf8) }) != now.classNames.map({ Array($0.utf8) }) {
        differences.append(
          "the classes\(what): \(ClassOrder.words(now.classNames)), not \(ClassOrder.words(then.classNames))")
      }
      if then.targets != now.targets { differences.append("what is to be learnt\(what)") }
      return differences
    }
  }

  private static func words(_ names: [String]) -> String { names.joined(separator: " and ") }
}
