import SwitchbackDatasets

/// As JSON: one f32 field and one target are `shape`, `targets`, `classNames`, `features`, `labels`, `normalization`,
/// `words`, `channels`, `column` and `lengths`, with `output` and `target` where they have other names than `labels`;
/// the program names the field. Any others are lists `inputs` and `outputs`, which programs that know one field and one
/// output cannot read.
extension SampleFormat: Codable {
  private enum CodingKeys: String, CodingKey {
    case shape, targets, classNames, features, labels, normalization, words, channels, column, output, target, lengths
    case inputs, outputs
  }

  /// Whether one field of numbers, of pictures that are stretched, becomes one answer for a sample.
  var isPlain: Bool {
    inputs.count == 1 && inputs[0].elementType == .float32 && inputs[0].fit == .stretch && outputs.count == 1
      && !answersSteps
  }

  /// Whether an answer is by steps.
  var answersSteps: Bool { outputs.contains { if case .stepClasses = $0.targets { true } else { false } } }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    if container.contains(.inputs) {
      self.init(
        inputs: try container.decode([Input].self, forKey: .inputs),
        outputs: try container.decode([Output].self, forKey: .outputs))
      return
    }
    let target = try container.decodeIfPresent(String.self, forKey: .target) ?? Field.labels
    self.init(
      inputs: [
        Input(
          Field.images, shape: try container.decode([Int].self, forKey: .shape),
          features: try container.decode([String].self, forKey: .features),
          normalization: try container.decode([DatasetRecord.Normalization].self, forKey: .normalization))
      ],
      outputs: [
        Output(
          try container.decodeIfPresent(String.self, forKey: .output), target: target,
          targets: try container.decode(DatasetTargets.self, forKey: .targets),
          classNames: try container.decode([String].self, forKey: .classNames),
          labels: try container.decode([String].self, forKey: .labels))
      ])
    inputs[0].channels = try container.decodeIfPresent(DatasetRecord.ChannelOrder.self, forKey: .channels)
    inputs[0].column = try container.decodeIfPresent(String.self, forKey: .column)
    inputs[0].lengths = try container.decodeIfPresent(String.self, forKey: .lengths)
    inputs[0].words = try container.decodeIfPresent([DatasetRecord.WordColumn].self, forKey: .words) ?? []
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    guard isPlain else {
      try container.encode(inputs, forKey: .inputs)
      try container.encode(outputs, forKey: .outputs)
      return
    }
    let (input, output) = (inputs[0], outputs[0])
    try container.encode(input.shape, forKey: .shape)
    try container.encode(output.targets, forKey: .targets)
    try container.encode(output.classNames, forKey: .classNames)
    try container.encode(input.features, forKey: .features)
    try container.encode(output.labels, forKey: .labels)
    try container.encode(input.normalization, forKey: .normalization)
    if !input.words.isEmpty { try container.encode(input.words, forKey: .words) }
    try container.encodeIfPresent(input.channels, forKey: .channels)
    try container.encodeIfPresent(input.column, forKey: .column)
    try container.encodeIfPresent(input.lengths, forKey: .lengths)
    if output.target != Field.labels { try container.encode(output.target, forKey: .target) }
    if output.name != output.target { try container.encode(output.name, forKey: .output) }
  }
}

extension SampleFormat.Input: Codable {
  private enum CodingKeys: String, CodingKey {
    case name, type, shape, scale, features, normalization, words, channels, fit, column, lengths, vocabulary
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    guard let type = Field.ElementType(rawValue: try container.decode(String.self, forKey: .type)) else {
      throw DecodingError.dataCorruptedError(forKey: .type, in: container, debugDescription: "an unknown element type")
    }
    self.init(
      try container.decode(String.self, forKey: .name), type, shape: try container.decode([Int].self, forKey: .shape),
      features: try container.decodeIfPresent([String].self, forKey: .features) ?? [],
      normalization: try container.decodeIfPresent([DatasetRecord.Normalization].self, forKey: .normalization) ?? [],
      scale: try container.decodeIfPresent(Float.self, forKey: .scale))
    channels = try container.decodeIfPresent(DatasetRecord.ChannelOrder.self, forKey: .channels)
    fit = try container.decodeIfPresent(Image.Fit.self, forKey: .fit) ?? .stretch
    column = try container.decodeIfPresent(String.self, forKey: .column)
    words = try container.decodeIfPresent([DatasetRecord.WordColumn].self, forKey: .words) ?? []
    lengths = try container.decodeIfPresent(String.self, forKey: .lengths)
    vocabulary = try container.decodeIfPresent(DatasetRecord.Vocabulary.self, forKey: .vocabulary)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(name, forKey: .name)
    try container.encode(elementType.rawValue, forKey: .type)
    try container.encode(shape, forKey: .shape)
    try container.encodeIfPresent(scale, forKey: .scale)
    if !features.isEmpty { try container.encode(features, forKey: .features) }
    if !normalization.isEmpty { try container.encode(normalization, forKey: .normalization) }
    if !words.isEmpty { try container.encode(words, forKey: .words) }
    try container.encodeIfPresent(channels, forKey: .channels)
    if fit != .stretch { try container.encode(fit, forKey: .fit) }
    try container.encodeIfPresent(column, forKey: .column)
    try container.encodeIfPresent(lengths, forKey: .lengths)
    try container.encodeIfPresent(vocabulary, forKey: .vocabulary)
  }
}
