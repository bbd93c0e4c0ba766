import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private func csv(_ text: String, to path: String? = nil) throws -> String {
  try write(text.utf8, to: path ?? temporaryFolder() + "/table.csv")
}

private func table(_ count: Int, classes: [String] = ["a", "b", "c"], columns: String = "x,y,kind") -> String {
  columns + "\n" + (0..<count).map { "\($0),\($0 * $0 % 17),\(classes[$0 % classes.count])\n" }.joined()
}

@Suite struct DatasetRecordTests {
  @Test("a table read for a trained network has its classes, columns and normalization, whatever the file has")
  func mapped() throws {
    let trained = try CSVFile(path: try csv(table(200)), labels: ["kind"], isNormalized: true).open()
    let record = try #require(trained.record)
    #expect(record.classNames == ["a", "b", "c"] && record.features == ["x", "y"] && record.labels == ["kind"])
    #expect(record.parts.map(\.count).reduce(0, +) == 200)
    #expect(record.parts.allSatisfy { $0.classCounts.reduce(0, +) == $0.count })
    // Columns in another order and one more, a class that the network does not know, and one that is missing.
    let other = "extra,kind,y,x\n0,b,16,4\n9,z,1,1\n0,c,1,7\n"
    let file = CSVFile(path: try csv(other), labels: ["kind"], isNormalized: true)
    let parts = try DatasetSource.csv(file).open(DatasetRequest(record: record, mayLackParts: true))
    #expect(parts.all.count == 2)
    for index in 0..<2 {
      let sample = try parts.all.sample(index)
      let isB = sample.target == [1]
      let numbers: [Double] = isB ? [4, 16] : [7, 1]
      #expect(sample.target == [isB ? 1 : 2])
      #expect(sample.values == zip(numbers, record.normalization).map { Float($1($0)) })
    }
    for words in ["no class z", "no sample of the network's class a", "without the columns extra"] {
      #expect(parts.notes.contains { $0.contains(words) }, "\(parts.notes)")
    }
    let lacking = CSVFile(path: try csv("x,kind\n1,a\n"), labels: ["kind"], isNormalized: true)
    let error = #expect(throws: DatasetError.self) {
      try DatasetSource.csv(lacking).open(DatasetRequest(record: record, mayLackParts: true))
    }
    #expect(error?.message.contains("no column y") == true, "\(error?.message ?? "")")
  }

  @Test("numbers are normalized in Float64: large ones that differ by little stay different")
  func largeNumbers() throws {
    // 100000000 and 100000003 are one Float32; Unix seconds are 128 apart there.
    for (low, high) in [(100_000_000, 100_000_003), (1_764_288_000, 1_764_288_001)] {
      let text = "x,y\n" + (0..<100).map { "\($0 % 2 == 0 ? low : high),\($0 % 2)\n" }.joined()
      let parts = try CSVFile(path: try csv(text), labels: ["y"], isNormalized: true).open()
      let (ones, count) = (parts.train.labels.reduce(0, +), parts.train.count)
      // Two values, a share p of them the higher one: mean low + p·d, deviation d·√(p(1 − p)).
      let p = Double(ones) / Double(count)
      let expected = [-p / (p * (1 - p)).squareRoot(), (1 - p) / (p * (1 - p)).squareRoot()].map { Float($0) }
      for index in 0..<count {
        let sample = try parts.train.sample(index)
        #expect(abs(sample.values[0] - expected[Int(sample.target[0])]) < 1e-6)
      }
    }
    // A mean of 65,536 that Float32 would round, as it would the deviation.
    let text = "x,y\n" + (0..<1000).map { "\(65536.0 + Double($0 % 7) / 3),\($0 % 2)\n" }.joined()
    let parts = try CSVFile(path: try csv(text), labels: ["y"], isNormalized: true).open()
    let (mean, deviation) = (parts.record!.normalization[0].mean, parts.record!.normalization[0].deviation)
    #expect(abs(mean - 65537) < 0.05 && abs(deviation - 2.0 / 3) < 0.02)
    for index in 0..<parts.train.count {
      let value = Double(try parts.train.sample(index).values[0])
      let nearest = (0..<7).map { (65536.0 + Double($0) / 3 - mean) / deviation }.min {
        abs($0 - value) < abs($1 - value)
      }!
      #expect(abs(value - nearest) < 1e-6)
    }
  }

  @Test("a label that the configuration names by its place is found by its name in a file with other columns")
  func movedLabel() throws {
    let settings = CSVFile(path: try csv(table(100)), labels: ["2"])
    let record = try #require(try settings.open().record)
    #expect(record.labels == ["kind"])
    var other = settings
    other.path = try csv("kind,y,x\nb,16,4\n")
    let parts = try other.open(DatasetRequest(record: record, mayLackParts: true))
    #expect(try parts.all.sample(0).values == [4, 16])
    #expect(try parts.all.sample(0).target == [1])
  }

  @Test("numbers whose mean or spread overflows are refused by the name of their column")
  func overflow() throws {
    let text = "x,big,y\n" + (0..<20).map { "\($0),\($0 % 2 == 0 ? "1e200" : "-1e200"),\($0 % 2)\n" }.joined()
    let path = try csv(text)
    let error = #expect(throws: DatasetError.self) {
      try CSVFile(path: path, labels: ["y"], isNormalized: true).open()
    }
    #expect(error?.message.contains("column big are too large") == true, "\(error?.message ?? "")")
  }

  @Test("a record from a file that no data set can have is told by what is wrong")
  func hostile() {
    func record(_ change: (inout DatasetRecord) -> Void) -> DatasetRecord {
      var record = DatasetRecord(
        source: "csv", sampleShape: [2], targets: .classes, classNames: ["a"], features: ["x", "y"],
        normalization: [.init(mean: 0, deviation: 1), .init(mean: 0, deviation: 1)], identity: "")
      change(&record)
      return record
    }
    #expect(record { _ in }.fault == nil)
    let wrong: [(inout DatasetRecord) -> Void] = [
      {
        $0.sampleShape = []; $0.features = ["x"]
      }, { $0.sampleShape = [-2] }, { $0.sampleShape = [1 << 40, 1 << 40] },
      { $0.targets = .values(1 << 62) }, { $0.targets = .values(-1) }, { $0.normalization.removeLast() },
      { $0.normalization[0].mean = .infinity }, { $0.normalization[1].deviation = -1 }, { $0.features.append("z") },
      { $0.channels = .rgb }, { $0.parts = [.init(name: .test, count: -1, classCounts: [])] },
    ]
    for change in wrong { #expect(record(change).fault != nil) }
    let images = record {
      ($0.sampleShape, $0.features, $0.normalization, $0.channels) = ([28, 28, 4], [], [], .rgb)
    }
    #expect(images.fault?.contains("channels") == true)
  }

  @Test("the identity is of the contents: another path is the same data, another number is not")
  func identity() throws {
    func open(_ path: String) throws -> DatasetRecord {
      try #require(try DatasetSource.csv(CSVFile(path: path, labels: ["kind"])).open().record)
    }
    let record = try open(try csv(table(50)))
    #expect(try open(try csv(table(50))) == record)
    let other = try open(try csv(table(50).replacingOccurrences(of: "\n7,15", with: "\n7,14")))
    #expect(other.identity != record.identity)
    #expect(other.differences(since: record).contains { $0.contains("contents") })
    var split = record
    split.testSplit = 0.3
    #expect(split.differences(since: record) == ["data.test_split: 0.3, not 0.2"])
    #expect(record.identity.hasPrefix("sha256:") && record.identity.count == 71)
    #expect(record.differences(since: record).isEmpty)
    let decoded = try JSONDecoder().decode(DatasetRecord.self, from: JSONEncoder().encode(record))
    #expect(decoded == record)
  }

  @Test("validation rows are chosen by their number: more rows move nobody, and the test part is what it was")
  func hashedValidation() throws {
    func parts(_ count: Int, _ share: Double) throws -> DatasetParts {
      try DatasetSource.csv(CSVFile(path: try csv(table(count)), labels: ["kind"]))
        .open(DatasetRequest(validationSplit: share))
    }
    func numbers(_ dataset: (any Dataset)?) throws -> Set<Float> {
      guard let dataset else { return [] }
      return Set(try (0..<dataset.count).map { try dataset.sample($0).values[0] })
    }
    let (few, many, without) = (try parts(800, 0.25), try parts(1000, 0.25), try parts(800, 0))
    #expect((120...200).contains(few.validation!.count))
    #expect(try numbers(few.validation).isSubset(of: numbers(many.validation)))
    #expect(try numbers(few.train).isSubset(of: numbers(many.train)))
    #expect(try numbers(few.test) == numbers(without.test))
    #expect(try numbers(few.train).union(numbers(few.validation)) == numbers(without.train))
    // As runs of before: the tail of the training samples in their order.
    let tail = try DatasetSource.csv(CSVFile(path: try csv(table(800)), labels: ["kind"]))
      .open(DatasetRequest(validationSplit: 0.25, splitRule: .tail))
    let held = without.train.count / 4
    #expect(tail.validation?.count == held && tail.record?.split == .tail)
    #expect(
      try numbers(tail.validation)
        == numbers(without.train.subset(without.train.count - held..<without.train.count)))
  }

  @Test("IDX data holds out as large a share of each class, by data.split_seed alone")
  func stratified() throws {
    // Sorted labels: the tail would be one class.
    let labels = (0..<90).map { Int32($0 / 30) }
    let data = try ByteDataset(
      sampleShape: [1], classNames: ["a", "b", "c"], samples: (0..<90).map { UInt8($0) }, labels: labels)
    let parts = DatasetParts(train: data, test: data).holdingOut(0.2, seed: 0)
    let validation = try #require(parts.validation)
    #expect((0..<3).map { c in validation.labels.filter { $0 == c }.count } == [6, 6, 6])
    #expect(parts.train.count == 72)
    let samples = try [parts.train, validation].flatMap { part in
      try (0..<part.count).map { Int(try (part.sample($0).values[0] * 255).rounded()) }
    }
    #expect(samples.sorted() == Array(0..<90))
    #expect(DatasetParts(train: data, test: data).holdingOut(0.2, seed: 0).validation!.labels == validation.labels)
    func held(_ seed: Int) throws -> [Float] {
      let part = DatasetParts(train: data, test: data).holdingOut(0.2, seed: seed).validation!
      return try (0..<part.count).map { try part.sample($0).values[0] }
    }
    #expect(try held(0) == held(0))
    #expect(try held(0) != held(1))
    #expect(DatasetParts(train: data.subset(0..<4), test: data).holdingOut(0.1).validation == nil)
  }

  @Test("what would vanish is said: empty parts, classes without samples, a split that holds out none")
  func notes() throws {
    let few = try DatasetSource.csv(CSVFile(path: try csv(table(9)), labels: ["kind"], testSplit: 0.3))
      .open(DatasetRequest(validationSplit: 0.001))
    #expect(few.validation == nil)
    #expect(few.notes.contains { $0.contains("validation_split 0.001 holds out none of") }, "\(few.notes)")
    let rare = table(400) + "1,1,rare\n"
    let parts = try DatasetSource.csv(CSVFile(path: try csv(rare), labels: ["kind"])).open()
    #expect(parts.notes.contains { $0.hasSuffix("part has no sample of class rare") }, "\(parts.notes)")
    #expect(
      parts.record?.words.last?.contains("rare 1/0") == true || parts.record?.words.last?.contains("rare 0/1") == true)
    let error = #expect(throws: DatasetError.self) {
      try CSVFile(
        path: try write([0x78, 0x2c, 0x79, 10, 0x31, 0x2c, 0xe9, 10], to: temporaryFolder() + "/t.csv"), labels: ["y"]
      )
      .open()
    }
    #expect(error?.message.contains(":2:3: ") == true && error?.message.contains("no UTF-8") == true)
    let twins = try csv("x,y\n1,e\u{301}\n2,\u{e9}\n")
    #expect(
      #expect(throws: DatasetError.self) { try CSVFile(path: twins, labels: ["y"]).open() }?.message
        .contains("other Unicode scalars") == true)
  }
}
