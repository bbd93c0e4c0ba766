/// A folder of texts by class: `train/CLASS/*.txt` and `test/CLASS/*.txt`, or without these two `CLASS/*.txt`, of which a
/// share is for testing; names without an ending will do too. Classes count by `ClassOrder`.
///
/// A text is UTF-8 and becomes the field `tokens` i32 `[T]`, cut or padded with 0 at its end, and `lengths` i32 `[]`. What a
/// token is, `TextTokenizer` says, and its number `DatasetRecord.Vocabulary`, which is made of the training part.
public struct TextFolder: Hashable, Sendable {
  public var path: String
  /// How many tokens a text is cut or padded to; nil: as many as the longest of the training part has.
  public var sequenceLength: Int?
  public var vocabulary: DatasetRecord.VocabularyLimits
  /// The share of the texts that is for testing where there is no folder `test`. A file stays on its side, whatever is
  /// added: its name decides.
  public var testSplit: Double

  /// What configurations call it.
  public static let word = "text-folder"

  public init(
    path: String, sequenceLength: Int? = nil, vocabulary: DatasetRecord.VocabularyLimits = .init(),
    testSplit: Double = 0.2
  ) {
    // Files are named behind one slash.
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    (self.sequenceLength, self.vocabulary, self.testSplit) = (sequenceLength, vocabulary, testSplit)
  }

  /// Why no folder can be read so; nil where one can.
  private var fault: String? {
    let lengths = 1...DatasetRecord.Tokens.mostOfSample
    if let sequenceLength, !lengths.contains(sequenceLength) {
      return "texts have from 1 to \(lengths.upperBound) tokens, not \(sequenceLength)"
    }
    return vocabulary.fault
  }

  /// Reads every text and keeps its tokens. All that cannot be read are in one error.
  public func open(_ request: DatasetRequest = DatasetRequest()) throws(DatasetError) -> DatasetParts {
    let scan = try scanned(request)
    if let error = scan.error { throw error }
    return try scan.parts()
  }

  /// `refusesStrays`: whether what is no text inside a class is an error, or left out.
  func scanned(_ request: DatasetRequest, refusesStrays: Bool = true) throws(DatasetError) -> TextFolderScan {
    if let fault { throw DatasetError(.invalid, "\(path): \(fault)") }
    let folders = try ClassFolderParts(path, of: .texts, testSplit: testSplit, refusesStrays: refusesStrays, request)
    return try TextFolderScan(self, folders, request)
  }
}

/// The pass over the texts of a folder.
struct TextFolderScan {
  private let settings: TextFolder
  private let folders: ClassFolderParts
  private let request: DatasetRequest
  private var found: [(name: DatasetRecord.Part.Name, files: ClassFolderParts.Part, texts: TokenLists)] = []
  private var known: VocabularyIndex?
  private var words = WordCount()
  /// How many tokens a text has, where that is known before.
  private var length: Int?
  /// How many texts have so many tokens.
  private var counts: [Int: Int] = [:]
  private var longest = 0
  /// What is wrong with texts; each names its file.
  private(set) var problems: [String] = []

  init(
    _ settings: TextFolder, _ folders: ClassFolderParts, _ request: DatasetRequest
  ) throws(DatasetError) {
    (self.settings, self.folders, self.request) = (settings, folders, request)
    length = settings.sequenceLength
    if let record = request.record {
      guard let input = record.inputs.first(where: { $0.vocabulary != nil }), let vocabulary = input.vocabulary else {
        throw DatasetError(.invalid, "\(settings.path): the network was trained on no texts")
      }
      if let length, input.shape != [length] {
        throw DatasetError(
          .invalid,
          "\(settings.path): the network was trained with texts of \(input.shape[0]) tokens, and data.sequence_length says "
            + "\(length)")
      }
      (known, length) = (VocabularyIndex(vocabulary), input.shape[0])
    }
    for name in [DatasetRecord.Part.Name.train, .validation, .test] {
      let files = try folders.files(name)
      var texts = TokenLists()
      for path in files.paths { read(path, to: &texts, isTraining: name == .train) }
      found.append((name, files, texts))
    }
  }

  private mutating func read(_ path: String, to texts: inout TokenLists, isTraining: Bool) {
    let text: [UInt8]
    do throws(DatasetError) { text = try FileBytes.read(path, advice: "mend or remove it") } catch {
      texts.end()
      return problems.append(error.message)
    }
    let (kept, known) = (length ?? DatasetRecord.Tokens.mostOfSample, known)
    var count = 0
    // Of a vocabulary that is still to be made: the number among all words, from 0, and −1 for one that is too long.
    let problem = TextBytes.problem(of: text, from: path) { word in
      let number =
        known.map { Int($0.token(of: word)) } ?? word.map { words.add($0, counts: isTraining) } ?? -1
      if count < kept { texts.append(Int32(truncatingIfNeeded: number)) }
      count += 1
    }
    texts.end()
    if let problem = problem ?? TextBytes.lack(path, of: count) { problems.append(problem) }
    counts[count, default: 0] += 1
    if isTraining { longest = max(longest, count) }
  }

  // MARK: What was found

  /// What is wrong with what lies in folders of classes and is no text.
  var strays: [String] { folders.strays }
  /// The files of all parts.
  var paths: [String] { found.flatMap(\.files.paths) }
  private var textCount: Int { counts.values.reduce(0, +) }

  /// How many tokens a text has that only so large a share of the texts is longer than.
  func length(longerThan share: Double) -> Int { counts.length(longerThan: share) }

  /// All that is wrong in one error, at most twenty texts by name; nil where nothing is.
  var error: DatasetError? {
    guard !problems.isEmpty else { return nil }
    let shown = problems.prefix(20).map { "\n  " + $0 }.joined()
    let rest = problems.count > 20 ? "\n  and \(problems.count - 20) more: switchback data check CONFIG lists them" : ""
    return DatasetError(.corrupt, "\(problems.count) of \(paths.count) texts cannot be read:\(shown)\(rest)")
  }

  func parts() throws(DatasetError) -> DatasetParts {
    // Data without a training part has the length of all.
    let length = length ?? (longest > 0 ? longest : counts.keys.max() ?? 0)
    let most = DatasetRecord.Tokens.mostOfSample
    guard length <= most else {
      throw DatasetError(
        .invalid,
        "\(settings.path): the longest text has \(length) tokens, and a sample at most \(most); say data.sequence_length, "
          + "where longer ones are cut")
    }
    let (vocabulary, tokens) = try vocabulary()
    var input = DatasetRecord.Input(Field.tokens, [max(length, 1)])
    let cut = counts.reduce(0) { $0 + ($1.key > length ? $1.value : 0) }
    input.tokens = DatasetRecord.Tokens(
      cutCount: cut, largest: Int32(vocabulary.size - 1), lengths: Field.lengths)
    input.vocabulary = vocabulary
    var record = DatasetRecord(
      source: TextFolder.word, inputs: [input],
      learnt: [.init(Field.labels, .classes, classNames: folders.classNames)], identity: try folders.identity)
    let paths = paths
    record.contents = PictureContents.sum(of: paths, names: paths.map { String($0.dropFirst(settings.path.count)) })
    func samples(_ name: DatasetRecord.Part.Name) -> TextSamples {
      let part = found.first { $0.name == name }
      var texts = part?.texts ?? TokenLists()
      if let tokens { texts.map { $0 < 0 ? DatasetRecord.Vocabulary.unknown : tokens[Int($0)] } }
      return TextSamples(
        field: input.field, texts: texts, labels: part?.files.labels ?? [], classNames: folders.classNames)
    }
    let validation = samples(.validation)
    var notes = folders.notes
    if cut > 0 { notes.append("\(cut) of \(textCount) texts are longer than \(length) tokens and are cut there") }
    return DatasetParts(
      train: samples(.train), validation: validation.count > 0 ? validation : nil, test: samples(.test), record: record,
      notes: notes
    ).counted(request, testSplit: settings.testSplit)
  }

  /// The network's or, before there is one, that of the training part, with the token of each word.
  private func vocabulary() throws(DatasetError) -> (DatasetRecord.Vocabulary, tokens: [Int32]?) {
    if let known { return (known.vocabulary, nil) }
    let kept = words.kept(settings.vocabulary)
    guard !kept.isEmpty else {
      throw DatasetError(
        .invalid, "\(settings.path): \(WordCount.lack(settings.vocabulary, in: "the texts of the training part"))")
    }
    var tokens = [Int32](repeating: DatasetRecord.Vocabulary.unknown, count: words.counts.count)
    for (place, number) in kept.enumerated() { tokens[number] = Int32(place + DatasetRecord.Vocabulary.first) }
    return (words.vocabulary(settings.vocabulary), tokens)
  }
}

/// Lists of tokens, one behind the other.
struct TokenLists: Sendable {
  private var tokens: [Int32] = []
  private var ends: [Int] = []

  var count: Int { ends.count }

  mutating func append(_ token: Int32) { tokens.append(token) }

  /// Ends a list.
  mutating func end() { ends.append(tokens.count) }

  mutating func map(_ body: (Int32) -> Int32) { for index in tokens.indices { tokens[index] = body(tokens[index]) } }

  /// Copies the beginning of a list, with 0 behind it; answers how many tokens of it there are.
  func copy(_ index: Int, to memory: UnsafeMutableBufferPointer<Int32>) -> Int {
    let start = index == 0 ? 0 : ends[index - 1]
    let count = min(ends[index] - start, memory.count)
    for place in 0..<count { memory[place] = tokens[start + place] }
    for place in count..<memory.count { memory[place] = DatasetRecord.Vocabulary.padding }
    return count
  }
}

/// Texts as tokens, in memory.
struct TextSamples: Dataset {
  /// Of the tokens.
  let field: Field
  let texts: TokenLists
  let labels: [Int32]
  let classNames: [String]

  var count: Int { labels.count }
  var isInMemory: Bool { true }
  var fields: [Field] { [field, Field(Field.lengths, .int32), .labels(.classes)] }

  /// Allocates nothing.
  func read(_ index: Int, row: Int, into batch: BatchMemory) {
    let count = texts.copy(index, to: batch[0, row].bindMemory(to: Int32.self))
    batch[1, row].storeBytes(of: Int32(count), as: Int32.self)
    batch[2, row].storeBytes(of: labels[index], as: Int32.self)
  }
}
