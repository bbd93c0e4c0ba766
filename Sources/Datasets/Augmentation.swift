#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How pictures are changed at random while a network is trained, each time another way. Words are those of Keras 3's
/// layers. In this order: zoom and rotation around the middle, translation and crop, flips, cutout, mixup.
public struct Augmentation: Hashable, Sendable {
  public enum Flip: String, Hashable, Sendable, CaseIterable {
    case none, horizontal, vertical
    case both = "horizontal_and_vertical"
  }

  /// What is where nothing of the picture is.
  public enum Fill: String, Hashable, Sendable, CaseIterable {
    /// Zeros.
    case constant
    /// The nearest pixel of the border.
    case nearest
  }

  /// Each of these axes is turned round in every second picture.
  public var flip = Flip.none
  /// By how much of its height and width a picture is moved at most, in either direction; by whole pixels.
  public var heightFactor = 0.0
  public var widthFactor = 0.0
  /// So many pixels are put around a picture, of which a part of its size is cut out (He et al. 2016, section 4.2).
  public var cropPadding = 0
  /// By how much of a full turn a picture is turned at most, in either direction.
  public var rotation = 0.0
  /// The size of a picture is multiplied with a number from 1 − this to 1 + this.
  public var zoom = 0.0
  /// The side of a square of zeros, whose middle is any pixel (DeVries and Taylor 2017, section 3); 0: none.
  public var cutout = 0
  public var fill = Fill.constant
  /// α of mixup (Zhang et al. 2018, section 2): each sample is mixed with another one, which `Mixup` draws; 0: none is.
  public var mixup = 0.0

  package static let factors = 0.0...1.0
  package static let rotations = 0.0...0.5
  /// Beyond, few pixels would be all of a picture.
  package static let zooms = 0.0...0.9
  package static let pixels = 0...1 << 20
  package static let alphas = 0.001...1000.0

  public init() {}

  /// Whether pictures stay as they are.
  public var isEmpty: Bool {
    var other = self
    other.fill = .constant
    return other == Augmentation()
  }

  /// Why no picture can be changed so; nil where one can.
  var fault: String? {
    let isRight =
      [heightFactor, widthFactor].allSatisfy(Self.factors.contains) && Self.rotations.contains(rotation)
      && Self.zooms.contains(zoom) && [cropPadding, cutout].allSatisfy(Self.pixels.contains)
      && (mixup == 0 || Self.alphas.contains(mixup))
    return isRight ? nil : "pictures cannot be augmented by \(self)"
  }

  /// Why samples of such data cannot be changed so; nil where they can.
  package func fault(on layout: DatasetLayout) -> String? {
    // The layout may be that of a loop's data, which is mixed already.
    let isMixed = layout.others.contains { $0.name == Field.partnerShare }
    guard Self.pictures(in: layout.inputs).isEmpty else {
      return mixup > 0 && !isMixed ? Mixup.fault(of: layout) : nil
    }
    let words = layout.inputs.map(\.description).joined(separator: ", ")
    return "only pictures of bytes are augmented, and the data has \(words)"
  }

  /// The numbers of the fields that are pictures of bytes, which can be augmented.
  package static func pictures(in fields: [Field]) -> [Int] {
    fields.indices.filter {
      fields[$0].elementType == .uint8 && fields[$0].scale != nil && fields[$0].shape.count == 3
    }
  }
}

/// What becomes of one picture: a pure function of seed, epoch and sample.
struct AugmentationDraw {
  private var flipsRows: Bool
  private var flipsColumns: Bool
  /// By how many pixels it is moved down and to the right.
  private var (rows, columns) = (0, 0)
  /// In radians.
  private var angle: Double
  private var zoom: Double
  private var cutout: (rows: Range<Int>, columns: Range<Int>)?
  /// The state of its random numbers behind the last of them.
  let end: UInt64
  private let fill: Augmentation.Fill
  private let (height, width, channels): (Int, Int, Int)

  /// All numbers are drawn, whatever is asked for: one setting more leaves the others' as they are. `shape` is [height,
  /// width, channels].
  init(_ settings: Augmentation, of shape: [Int], seed: Int64, epoch: Int, sample: Int) {
    (height, width, channels) = (shape[0], shape[1], shape[2])
    var random = SplitMix64(state: 0x6175_676d)
    random.mix(UInt64(bitPattern: seed))
    random.mix(UInt64(bitPattern: Int64(epoch)))
    random.mix(UInt64(bitPattern: Int64(sample)))
    /// In [−1, 1).
    func signed() -> Double { Double(2 * random.nextUniform() - 1) }
    let (vertical, horizontal) = (random.next(below: 2) == 1, random.next(below: 2) == 1)
    flipsRows = vertical && (settings.flip == .vertical || settings.flip == .both)
    flipsColumns = horizontal && (settings.flip == .horizontal || settings.flip == .both)
    rows = Int((signed() * settings.heightFactor * Double(height)).rounded())
    columns = Int((signed() * settings.widthFactor * Double(width)).rounded())
    rows += random.next(below: 2 * settings.cropPadding + 1) - settings.cropPadding
    columns += random.next(below: 2 * settings.cropPadding + 1) - settings.cropPadding
    angle = signed() * settings.rotation * 2 * .pi
    zoom = 1 + signed() * settings.zoom
    fill = settings.fill
    let (row, column) = (random.next(below: height), random.next(below: width))
    end = random.state
    guard settings.cutout > 0 else { return }
    func side(_ middle: Int, _ extent: Int) -> Range<Int> {
      let low = middle - settings.cutout / 2
      return max(low, 0)..<min(low + settings.cutout, extent)
    }
    cutout = (side(row, height), side(column, width))
  }

  /// Writes `source`, a picture, changed to `target`. Allocates nothing.
  func write(_ source: UnsafeBufferPointer<UInt8>, to target: UnsafeMutableBufferPointer<UInt8>) {
    if angle == 0, zoom == 1 { move(source, target) } else { interpolate(source, target) }
    guard let cutout else { return }
    for row in cutout.rows {
      let start = (row * width + cutout.columns.lowerBound) * channels
      for place in start..<start + cutout.columns.count * channels { target[place] = 0 }
    }
  }

  /// Where whole pixels are moved.
  private func move(_ source: UnsafeBufferPointer<UInt8>, _ target: UnsafeMutableBufferPointer<UInt8>) {
    var place = 0
    for y in 0..<height {
      let row = (flipsRows ? height - 1 - y : y) - rows
      for x in 0..<width {
        let column = (flipsColumns ? width - 1 - x : x) - columns
        for channel in 0..<channels {
          target[place] = pixel(source, row, column, channel)
          place += 1
        }
      }
    }
  }

  /// Where a new pixel lies between old ones: it is made of four by their distances, which are multiples of 1/256 pixel.
  private func interpolate(_ source: UnsafeBufferPointer<UInt8>, _ target: UnsafeMutableBufferPointer<UInt8>) {
    let one = 65536.0
    let (cosine, sine) = (cos(angle) / zoom, sin(angle) / zoom)
    let (middleY, middleX) = (Double(height - 1) / 2, Double(width - 1) / 2)
    let (stepX, stepY) = (Int((cosine * one).rounded()), Int((-sine * one).rounded()))
    var place = 0
    for y in 0..<height {
      let down = Double((flipsRows ? height - 1 - y : y) - rows) - middleY
      let right = Double((flipsColumns ? width - 1 : 0) - columns) - middleX
      var sourceX = Int(((middleX + cosine * right + sine * down) * one).rounded())
      var sourceY = Int(((middleY - sine * right + cosine * down) * one).rounded())
      for _ in 0..<width {
        let (row, column) = (sourceY >> 16, sourceX >> 16)
        let (low, high) = ((sourceY >> 8) & 255, (sourceX >> 8) & 255)
        for channel in 0..<channels {
          let top =
            Int(pixel(source, row, column, channel)) * (256 - high) + Int(pixel(source, row, column + 1, channel))
            * high
          let bottom =
            Int(pixel(source, row + 1, column, channel)) * (256 - high)
            + Int(pixel(source, row + 1, column + 1, channel)) * high
          target[place] = UInt8((top * (256 - low) + bottom * low + 1 << 15) >> 16)
          place += 1
        }
        sourceX += flipsColumns ? -stepX : stepX
        sourceY += flipsColumns ? -stepY : stepY
      }
    }
  }

  @inline(__always)
  private func pixel(_ source: UnsafeBufferPointer<UInt8>, _ row: Int, _ column: Int, _ channel: Int) -> UInt8 {
    if row >= 0, row < height, column >= 0, column < width {
      return source[(row * width + column) * channels + channel]
    }
    guard fill == .nearest else { return 0 }
    return source[(min(max(row, 0), height - 1) * width + min(max(column, 0), width - 1)) * channels + channel]
  }
}
