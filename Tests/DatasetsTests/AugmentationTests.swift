import SwitchbackDatasets
import TestFiles
import Testing

/// Pictures of random bytes, one after the other, each with its number as class.
private func data(_ count: Int = 8, height: Int = 6, width: Int = 5, channels: Int = 2) throws -> ArrayDataset {
  var state: UInt32 = 9
  let pixels = (0..<count * height * width * channels).map { _ -> UInt8 in
    state = state &* 1_664_525 &+ 1_013_904_223
    return UInt8(state >> 24) | 1
  }
  return try ArrayDataset([
    .uint8("images", pixels, shape: [height, width, channels], scale: Field.pixelScale),
    .int32("labels", (0..<Int32(count)).map { $0 }), .float32("weight", (0..<count).map(Float.init)),
  ])
}

private func made(_ change: (inout Augmentation) -> Void) -> Augmentation {
  var augmentation = Augmentation()
  change(&augmentation)
  return augmentation
}

private func picture(_ data: any Dataset, _ index: Int) throws -> [Double] {
  try #require(try data.numbers([Int32(index)], asStored: true)["images"])
}

/// The picture moved by whole pixels, and turned round, with zeros or the border around it.
private func moved(
  _ picture: [Double], _ shape: [Int], rows: Int = 0, columns: Int = 0, flipsRows: Bool = false,
  flipsColumns: Bool = false,
  nearest: Bool = false
) -> [Double] {
  let (height, width, channels) = (shape[0], shape[1], shape[2])
  return (0..<height).flatMap { y in
    (0..<width).flatMap { x in
      (0..<channels).map { channel in
        var (row, column) = ((flipsRows ? height - 1 - y : y) - rows, (flipsColumns ? width - 1 - x : x) - columns)
        if nearest { (row, column) = (min(max(row, 0), height - 1), min(max(column, 0), width - 1)) }
        guard (0..<height).contains(row), (0..<width).contains(column) else { return 0 }
        return picture[(row * width + column) * channels + channel]
      }
    }
  }
}

@Suite struct AugmentationTests {
  private let shape = [6, 5, 2]

  /// Which of these each of so many epochs makes of each picture; what is none of them is nil.
  private func found(
    _ augmentation: Augmentation, epochs: Int = 12, among candidates: ([Double]) -> [[Double]]
  ) throws -> [Int?] {
    let base = try data()
    let augmented = try AugmentedDataset(base, augmentation, seed: 3)
    var found: [Int?] = []
    for epoch in 1...epochs {
      augmented.begin(epoch: epoch)
      for index in 0..<base.count {
        found.append(candidates(try picture(base, index)).firstIndex(of: try picture(augmented, index)))
      }
    }
    return found
  }

  @Test(
    "each of the axes is turned round in about every second picture, and no other",
    arguments: Augmentation.Flip.allCases)
  func flips(flip: Augmentation.Flip) throws {
    let which = try found(made { $0.flip = flip }) { picture in
      [(false, false), (false, true), (true, false), (true, true)].map {
        moved(picture, shape, flipsRows: $0.0, flipsColumns: $0.1)
      }
    }
    let expected: Set<Int?> =
      switch flip {
      case .none: [0]
      case .horizontal: [0, 1]
      case .vertical: [0, 2]
      case .both: [0, 1, 2, 3]
      }
    #expect(Set(which) == expected)
    if flip == .horizontal { #expect((30...66).contains(which.count { $0 == 1 })) }
  }

  @Test(
    "pictures are moved by whole pixels, as far as it is said and in all directions",
    arguments: Augmentation.Fill.allCases)
  func translations(fill: Augmentation.Fill) throws {
    let all = (-2...2).flatMap { rows in (-1...1).map { (rows, $0) } }
    let settings = made {
      ($0.heightFactor, $0.widthFactor, $0.fill) = (2.4 / 6, 0.25, fill)
    }
    let which = try found(settings, epochs: 20) { picture in
      all.map { moved(picture, shape, rows: $0.0, columns: $0.1, nearest: fill == .nearest) }
    }
    #expect(!which.contains(nil))
    #expect(Set(which.compactMap { $0 }.map { all[$0].0 }) == Set(-2...2))
    #expect(Set(which.compactMap { $0 }.map { all[$0].1 }) == Set(-1...1))
  }

  @Test("a crop of the padded picture is each of the places about as often")
  func crops() throws {
    let all = (-1...1).flatMap { rows in (-1...1).map { (rows, $0) } }
    let which = try found(made { $0.cropPadding = 1 }, epochs: 30) { picture in
      all.map { moved(picture, shape, rows: $0.0, columns: $0.1) }
    }
    for place in all.indices { #expect((10...46).contains(which.count { $0 == place }), "\(place)") }
    #expect(!which.contains(nil))
  }

  @Test("a square of zeros is cut out, less of it at the border")
  func cutouts() throws {
    let base = try data()
    let augmented = try AugmentedDataset(base, made { $0.cutout = 3 }, seed: 1)
    var sizes: Set<[Int]> = []
    for epoch in 1...30 {
      augmented.begin(epoch: epoch)
      for index in 0..<base.count {
        let (before, after) = (try picture(base, index), try picture(augmented, index))
        let zeros = after.indices.filter { after[$0] == 0 }
        #expect(after.indices.allSatisfy { after[$0] == 0 || after[$0] == before[$0] })
        let (rows, columns) = (Set(zeros.map { $0 / 10 }), Set(zeros.map { $0 / 2 % 5 }))
        #expect(zeros.count == rows.count * columns.count * 2)
        #expect((2...3).contains(rows.count) && (2...3).contains(columns.count))
        sizes.insert([rows.count, columns.count])
      }
    }
    #expect(sizes == [[3, 3], [2, 3], [3, 2], [2, 2]])
  }

  @Test("a turned and a scaled picture is made of four pixels by their distances, as in Float64")
  func interpolation() throws {
    // A plane stays a plane, which turns and grows: two of its corners say by how much.
    let (height, width) = (9, 9)
    let plane = (0..<81).map { place -> UInt8 in
      let (down, right) = (place / 9 - 4, place % 9 - 4)
      return UInt8(100 + 4 * down + 7 * right)
    }
    let base = try ArrayDataset([
      .uint8("images", plane, shape: [height, width, 1], scale: Field.pixelScale), .int32("labels", [0]),
    ])
    for (rotation, zoom) in [(0.1, 0.0), (0, 0.4), (0.05, 0.3)] {
      let augmented = try AugmentedDataset(
        base,
        made {
          ($0.rotation, $0.zoom, $0.fill) = (rotation, zoom, .nearest)
        }, seed: 4)
      var slopes: [(Double, Double)] = []
      for epoch in 1...20 {
        augmented.begin(epoch: epoch)
        let after = try picture(augmented, 0)
        #expect(after[40] == 100)
        // Near the middle no corner of the old picture is met: slopes down and to the right.
        let (down, right) = ((after[58] - after[22]) / 4, (after[42] - after[38]) / 4)
        for y in 2...6 {
          for x in 2...6 {
            let expected = 100 + down * Double(y - 4) + right * Double(x - 4)
            #expect(abs(after[y * 9 + x] - expected) <= 2)
          }
        }
        slopes.append((down, right))
      }
      // Turning keeps a slope's length, scaling its direction.
      let lengths = slopes.map { slope -> Double in (slope.0 * slope.0 + slope.1 * slope.1).squareRoot() }
      if zoom == 0 { for length in lengths { #expect(abs(length - 8.06) < 0.6) } }
      if rotation == 0 {
        for (down, right) in slopes { #expect(abs(down * 7 - right * 4) < 4) }
        #expect(lengths.max()! > 9 && lengths.min()! < 7)
      }
    }
    // Without a fill, zeros come in at the corners.
    let turned = try AugmentedDataset(base, made { $0.rotation = 0.5 }, seed: 4)
    #expect(
      try (1...10).contains { epoch in
        turned.begin(epoch: epoch)
        return try picture(turned, 0).contains(0)
      })
  }

  @Test("what becomes of a sample depends on seed, epoch and sample alone, not on batches or who reads")
  func deterministic() throws {
    let settings = made {
      ($0.flip, $0.rotation, $0.zoom, $0.cropPadding, $0.cutout) = (.both, 0.1, 0.2, 1, 2)
      ($0.heightFactor, $0.widthFactor) = (0.2, 0.2)
    }
    let base = try data(40)
    let augmented = try AugmentedDataset(base, settings, seed: 7)
    augmented.begin(epoch: 3)
    let all = try augmented.numbers(ArraySlice((0..<40).map { Int32($0) }), asStored: true)
    let other = try AugmentedDataset(base, settings, seed: 7)
    other.begin(epoch: 3)
    for index in (0..<40).reversed() {
      #expect(try picture(other, index) == Array(try #require(all["images"])[index * 60..<(index + 1) * 60]))
    }
    // What is no picture stays as it is.
    #expect(all["weight"] == (0..<40).map(Double.init) && all["labels"] == (0..<40).map(Double.init))
    #expect(augmented.labels == base.labels && augmented.layout == base.layout && !augmented.isInMemory)
    let ahead = try AugmentedDataset(base, settings, seed: 7)
    ahead.begin(epoch: 3)
    let prefetcher = try Prefetcher(ahead, batchSize: 7)
    let order = BatchOrder(count: 40, batchSize: 7, seed: 2)
    prefetcher.begin(order, at: 1)
    for batch in 1..<order.batchCount {
      let read = try #require(try prefetcher.numbers(order.batch(batch), asStored: true)["images"])
      let pictures = try #require(all["images"])
      let expected = order.batch(batch).map { Int($0) }.flatMap { index -> [Double] in
        Array(pictures[index * 60..<(index + 1) * 60])
      }
      #expect(read == expected)
    }
    for (seed, epoch) in [(8, 3), (7, 4)] {
      let different = try AugmentedDataset(base, settings, seed: seed)
      different.begin(epoch: epoch)
      #expect(try different.numbers(ArraySlice((0..<40).map { Int32($0) }), asStored: true)["images"] != all["images"])
    }
  }

  @Test("data without pictures of bytes, and numbers that cannot be, are errors")
  func mistakes() throws {
    let table = try ArrayDataset([.float32("images", [1, 2], shape: [1]), .int32("labels", [0, 0])])
    let error = #expect(throws: DatasetError.self) { try AugmentedDataset(table, Augmentation(), seed: 1) }
    #expect(error?.message.contains("only pictures of bytes are augmented, and the data has images f32 [1]") == true)
    for change: (inout Augmentation) -> Void in [
      { $0.zoom = 1 }, { $0.zoom = .nan }, { $0.rotation = 2 }, { $0.cropPadding = -1 }, { $0.cutout = .max },
      { $0.heightFactor = .infinity }, { $0.widthFactor = -0.1 },
    ] {
      #expect(throws: DatasetError.self) { try AugmentedDataset(try data(), made(change), seed: 1) }
    }
    #expect(Augmentation().isEmpty && made { $0.fill = .nearest }.isEmpty && !made { $0.cutout = 1 }.isEmpty)
  }
}
