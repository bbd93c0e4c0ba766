import SwitchbackDatasets
import Testing

@Suite struct ArrayDatasetTests {
  private func refusal(_ make: () throws -> ArrayDataset) -> String {
    (#expect(throws: DatasetError.self) { _ = try make() })?.message ?? ""
  }

  @Test("samples with classes: fields, names, and each sample as it was given")
  func classes() throws {
    let data = try ArrayDataset([1, 2, 3, 4, 5, 6], shape: [1, 2], labels: [2, 0, 1])
    #expect(data.count == 3 && data.sampleShape == [1, 2] && data.targets == .classes && data.isInMemory)
    #expect(data.fields == [Field("images", .float32, [1, 2]), Field("labels", .int32)])
    #expect(data.classNames == ["0", "1", "2"])
    #expect(data.labels == [2, 0, 1])
    let sample = try data.sample(1)
    #expect(sample.values == [3, 4] && sample.target == [0])
    #expect(try data.numbers([2, 0]) == ["images": [5, 6, 1, 2], "labels": [1, 2]])
    let named = try ArrayDataset([1, 2], shape: [1], labels: [0, 0], classNames: ["cat", "dog", "bird"])
    #expect(named.classNames == ["cat", "dog", "bird"])
  }

  @Test("several fields of every type, in any order; a part of them is a data set with the same fields")
  func fields() throws {
    let data = try ArrayDataset([
      .float32("sample_weight", [1, 0.5, 2]), .uint8("segmentation", [1, 2, 3, 4, 5, 6], shape: [2]),
      .float32("table", [1, 2, 3, 4, 5, 6, 7, 8, 9], shape: [3]), .float32("labels", [0.1, 0.2, 0.3]),
      .int32("tokens", [7, 8, 9, 10, 11, 12], shape: [2]),
    ])
    #expect(data.count == 3 && data.targets == .values(1) && data.labels.isEmpty && data.classNames.isEmpty)
    // Neither a weight nor what is to be learnt is what a network reads.
    #expect(data.sampleShape == [2])
    #expect(data.fields.map(\.description)[1...2] == ["segmentation u8 [2]", "table f32 [3]"])
    let batch = try data.subset(1..<3).numbers([1])
    #expect(batch["sample_weight"] == [2] && batch["segmentation"] == [5, 6] && batch["table"] == [7, 8, 9])
    #expect(batch["labels"] == [Double(Float(0.3))] && batch["tokens"] == [11, 12])
  }

  @Test("what does not fit is an error that names the field")
  func refusals() {
    #expect(refusal { try ArrayDataset([]) } == "a data set needs a field")
    #expect(
      refusal { try ArrayDataset([1, 2, 3], shape: [2], labels: [0]) }
        == "the field images f32 [2] has 3 values, which are no whole samples of 2")
    #expect(
      refusal { try ArrayDataset([1, 2, 3, 4], shape: [2], labels: [0, 1, 0]) }
        == "the field labels i32 [] has 3 samples, and images f32 [2] has 2")
    #expect(
      refusal { try ArrayDataset([.float32("table", [1, 2]), .float32("sample_weight", [1])]) }
        == "the field sample_weight f32 [] has 1 samples, and table f32 [] has 2")
    #expect(
      refusal { try ArrayDataset([1, 2], shape: [1], labels: [0, 2], classNames: ["a", "b"]) }
        == "the field labels i32 [] has the class 2 in row 1, and there are 2 classes")
    #expect(refusal { try ArrayDataset([1, 2], shape: [1], labels: [0, -1]) }.contains("the class -1 in row 1"))
    #expect(refusal { try ArrayDataset([1], shape: [1], labels: [.max]) }.contains("more than 1048576 classes"))
    #expect(refusal { try ArrayDataset([.float32("x", [1]), .float32("x", [1])]) } == "two fields are called x")
    #expect(refusal { try ArrayDataset([.float32("", [1])]) } == "a field has no name")
    for shape in [[0], [-1], [1 << 40, 1 << 40]] {
      #expect(refusal { try ArrayDataset([.float32("x", [1], shape: shape)]) }.contains("that no sample can have"))
    }
    for weight in [-1, Float.nan, .infinity] {
      #expect(
        refusal { try ArrayDataset([.float32("x", [1, 2]), .float32("sample_weight", [1, weight])]) }
          .contains("sample_weight f32 [] is"))
    }
    #expect(
      refusal { try ArrayDataset([.float32("x", [1, 2]), .int32("sample_weight", [1, 1])]) }
        .contains("must be one f32 a sample"))
  }

  @Test("a batch that no machine can hold is an error, and memory is handed out by rows of each field")
  func memory() throws {
    let fields = [Field("x", .float32, [3]), Field("y", .uint8, [2])]
    let memory = try BatchMemory(fields, rows: 2)
    #expect(memory[0, 1].count == 12 && memory[1, 0].count == 2)
    #expect(memory[0, 1].baseAddress == memory[0, 0].baseAddress.map { $0 + 12 })
    let error = #expect(throws: DatasetError.self) {
      try BatchMemory([Field("x", .float32, [1 << 40])], rows: 1 << 40)
    }
    #expect(error?.message.contains("x f32 [1099511627776] cannot be had in memory") == true)
  }
}
