extension DatasetRecord {
  /// Why no data set can be so; nil where one can. Records come from files, which may hold anything.
  public var fault: String? {
    if classNames.count > Self.mostClasses { return "it has \(classNames.count) classes" }
    if let columnCount, columnCount < labels.count { return "it has \(columnCount) columns" }
    if let series,
      ![series.horizon, series.stride].allSatisfy(TimeSeries.extents.contains) || inputs.first?.shape.count != 2
    {
      return "its windows are cut with a horizon of \(series.horizon) and a stride of \(series.stride)"
    }
    for part in parts {
      let counts = [part.classCounts] + (part.classCountsByTarget.map { Array($0.values) } ?? [])
      if part.count < 0 || counts.contains(where: { $0.contains { $0 < 0 } }) {
        return "a part has fewer than 0 samples"
      }
    }
    return inputFault ?? targetFault
  }

  private static let mostClasses = 1 << 20

  private var inputFault: String? {
    if let elementType, elementType != .uint8 { return "its samples are \(elementType.rawValue)" }
    guard let inputFields else { return Self.fault(of: inputs[0], targets) }
    let lengths = inputFields.compactMap(\.field.lengths)
    if let fault = Self.fault(ofNames: inputFields.map(\.name) + lengths, "inputs") { return fault }
    for input in inputFields {
      if let fault = Self.fault(of: input, targets) ?? Self.fault(ofWords: input.words ?? [], features: input.features)
      {
        return "\(input.name): \(fault)"
      }
    }
    let first = inputFields[0]
    guard first.shape == sampleShape, first.features == features, first.normalization == normalization,
      first.channels == channels, first.elementType == elementType, first.fit == fit
    else { return "it says two things of the input \(first.name)" }
    return nil
  }

  private var targetFault: String? {
    let names = learnt.map(\.name)
    let fields = names + inputs.map(\.name) + inputs.compactMap(\.field.lengths)
    if let fault = Self.fault(ofNames: fields, "fields") ?? Self.fault(ofNames: names, "targets") { return fault }
    guard let targetFields else { return nil }
    for target in targetFields {
      if target.classNames.count > Self.mostClasses {
        return "\(target.name): it has \(target.classNames.count) classes"
      }
      if let fault = target.targets.fault { return "\(target.name): \(fault)" }
      if case .values(let count) = target.targets, !target.classNames.isEmpty {
        return "\(target.name): \(count) numbers are learnt, with \(target.classNames.count) class names"
      }
    }
    let first = targetFields[0]
    guard first.targets == targets, first.classNames == classNames, targetFields.flatMap(\.columns) == labels else {
      return "it says two things of the target \(first.name)"
    }
    return nil
  }

  private static func fault(ofNames names: [String], _ what: String) -> String? {
    guard (1...1 << 10).contains(names.count) else { return "it has \(names.count) \(what)" }
    guard !names.contains(""), Set(names).count == names.count else { return "two \(what) have one name, or one none" }
    return nil
  }

  private static func fault(of input: Input, _ targets: DatasetTargets) -> String? {
    if let elementType = input.elementType, elementType != .uint8 || input.channels == nil {
      return "samples \(input.shape) are \(elementType.rawValue), as only images are bytes"
    }
    if let fit = input.fit, input.channels == nil {
      return "samples \(input.shape) are no images, and to be fitted by \(fit.rawValue)"
    }
    if let tokens = input.tokens {
      let isOfTokens =
        input.shape.count == 1 && (input.column != nil || input.vocabulary != nil) && input.channels == nil
        && input.features.isEmpty
        && input.normalization.isEmpty && tokens.cutCount >= 0 && tokens.largest ?? 0 >= 0
        && tokens.lengths != ""
      guard isOfTokens else { return "samples \(input.shape) with what else it says are no tokens" }
      guard input.shape[0] <= Tokens.mostOfSample else { return "samples \(input.shape) have too many tokens" }
    }
    if let vocabulary = input.vocabulary {
      if input.tokens == nil { return "samples \(input.shape) are no tokens, and have a vocabulary" }
      if let fault = vocabulary.fault { return "it has \(fault)" }
    }
    return fault(
      shape: input.shape, targets: targets, features: input.features, normalization: input.normalization,
      channels: input.channels)
  }

  /// Why samples cannot have this shape and these features; nil where they can.
  package static func fault(
    shape: [Int], targets: DatasetTargets, features: [String], normalization: [Normalization], channels: ChannelOrder?
  ) -> String? {
    var elements = 1
    for extent in shape {
      let (product, overflow) = elements.multipliedReportingOverflow(by: extent)
      guard extent > 0, !overflow, product <= 1 << 31 else { return "samples \(shape) are none" }
      elements = product
    }
    if let fault = targets.fault { return fault }
    // A row of a table, or the rows of a window.
    let width = shape.count == 1 || shape.count == 2 ? shape.last : nil
    if !normalization.isEmpty, normalization.count != width {
      return "\(normalization.count) columns are normalized of samples \(shape)"
    }
    if !normalization.allSatisfy({ $0.mean.isFinite && $0.deviation.isFinite && $0.deviation >= 0 }) {
      return "a mean or deviation is not finite"
    }
    if !features.isEmpty, features.count != width {
      return "\(features.count) columns are named of samples \(shape)"
    }
    if let channels, shape.count != 3 || shape[2] != (channels == .gray ? 1 : 3) {
      return "the channels of samples \(shape) are not \(channels.rawValue)"
    }
    return nil
  }
}

extension DatasetTargets {
  /// Why a sample cannot have so many; nil where it can.
  fileprivate var fault: String? {
    switch self {
    case .classes: nil
    case .stepClasses(let steps): (1...1 << 20).contains(steps) ? nil : "classes of \(steps) steps are learnt"
    case .values(let count): (1...1 << 20).contains(count) ? nil : "\(count) numbers are learnt"
    }
  }
}
