/// One thing that a data set knows of every sample: `images` u8 `[28, 28, 1]`, `labels` i32 `[]`. A program reads it by its
/// name.
public struct Field: Hashable, Sendable, CustomStringConvertible {
  /// What one element is stored as.
  public enum ElementType: String, Hashable, Sendable, Codable, CaseIterable {
    case float32 = "f32"
    case int32 = "i32"
    case uint8 = "u8"

    public var byteCount: Int { self == .uint8 ? 1 : 4 }
  }

  public var name: String
  public var elementType: ElementType
  /// Without the batch.
  public var shape: [Int]
  /// Of sequences, padded to `shape[0]`: the field i32 `[]` that says how many of them are real.
  public var lengths: String?
  /// Of bytes that stand for numbers: the program that reads them multiplies them with it. Nil: they are what they are.
  public var scale: Float?

  public init(
    _ name: String, _ elementType: ElementType, _ shape: [Int] = [], lengths: String? = nil, scale: Float? = nil
  ) {
    (self.name, self.elementType, self.shape, self.lengths, self.scale) = (name, elementType, shape, lengths, scale)
  }

  /// Pictures `[H, W, C]` that stand for numbers from 0 to 1: u8, or f32 in runs that began with these.
  public static func pictures(_ name: String, _ shape: [Int], as elementType: ElementType = .uint8) -> Field {
    Field(name, elementType, shape, scale: elementType == .uint8 ? pixelScale : nil)
  }

  /// Makes a pixel from 0 to 255 a number from 0 to 1.
  public static let pixelScale: Float = 1 / 255

  /// Of one sample.
  public var elementCount: Int { shape.reduce(1, *) }
  public var byteCount: Int { elementCount * elementType.byteCount }

  public var description: String { "\(name) \(elementType.rawValue) \(shape)" }

  /// What data sets of one input call it, pictures and rows of tables alike.
  public static let images = "images"
  /// The numbers of a row, where there are pictures beside them.
  public static let table = "table"
  /// The steps of a made sequence.
  public static let sequence = "sequence"
  /// The steps of a window of a time series.
  public static let series = "series"
  /// Texts as numbers of words, and how many of these there are.
  public static let tokens = "tokens"
  public static let lengths = "lengths"
  /// What is to be learnt.
  public static let labels = "labels"
  /// How much a sample counts, f32 `[]`.
  public static let sampleWeight = "sample_weight"

  /// Of mixed samples the other class of a target, i32 `[]`.
  package static func partner(of target: String) -> String { target + partnerEnd }
  /// Of mixed samples how much of one is its partner, f32 `[]`, at most one half.
  package static let partnerShare = "mixup/share"
  private static let partnerEnd = "/partner"

  /// Whether a field of this name is of mixed samples; of others it is 0: nothing is another one's.
  package static func isOfMixing(_ name: String) -> Bool { name == partnerShare || name.hasSuffix(partnerEnd) }

  /// What is to be learnt: a class i32 `[]`, one a step i32 `[T]`, or so many numbers f32 `[k]`.
  static func target(_ name: String, _ targets: DatasetTargets) -> Field {
    switch targets {
    case .classes: Field(name, .int32)
    case .stepClasses(let steps): Field(name, .int32, [steps])
    case .values(let count): Field(name, .float32, [count])
    }
  }

  static func labels(_ targets: DatasetTargets) -> Field { target(labels, targets) }

  /// What it is where it is learnt. Whole numbers along one axis are the classes of its steps; a single one without lengths
  /// is that of the sample, as it was before there were any.
  package var targets: DatasetTargets {
    guard elementType == .int32 else { return .values(elementCount) }
    return shape.count == 1 && (shape[0] > 1 || lengths != nil) ? .stepClasses(shape[0]) : .classes
  }
}
