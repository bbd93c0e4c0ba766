/// What a look at a folder of texts by class finds.
public struct TextFolderSurvey: Hashable, Sendable {
  public var path: String
  public var classNames: [String]
  public var notes: [String]
  /// Of the training part, from which a validation part may be taken.
  public var count: Int
  /// Tokens of a vocabulary, padding and the unknown among them: of all words, at most ten thousand.
  public var vocabularySize: Int
  /// Tokens of a text: as many as nine of ten texts have at most, and no more than 256.
  public var sequenceLength: Int

  /// Reads every text.
  public init(_ path: String) throws(DatasetError) {
    let folder = TextFolder(path: path, vocabulary: .init(size: 10_000), testSplit: 0)
    try ClassFolderParts.refuseOthers(in: FolderListing(folder.path), of: .texts)
    let scan = try folder.scanned(DatasetRequest(mayLackParts: true))
    if let error = scan.error { throw error }
    let parts = try scan.parts()
    guard parts.train.count > 0, let vocabulary = parts.record?.inputs.first?.vocabulary else {
      throw DatasetError(.missing, "\(path) has no texts to train on")
    }
    (self.path, classNames, notes) = (folder.path, parts.train.classNames, parts.notes)
    count = parts.train.count
    vocabularySize = vocabulary.size
    sequenceLength = min(scan.length(longerThan: 0.1), 256)
  }
}
