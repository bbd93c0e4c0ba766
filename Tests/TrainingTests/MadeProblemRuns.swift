import SwitchbackDatasets
import SwitchbackTraining
import Testing

/// A run on data that its configuration makes goes on, after an interruption behind `step`, to the bits of one that was not
/// interrupted; the data is opened again by the checkpoint's record. Answers the run that was not interrupted, and the record.
func expectSameBits(goingOnWith text: String, after step: Int) throws -> (whole: TrainingLoop, record: DatasetRecord) {
  let configuration = try Configuration(text: text, file: "test.yaml")
  func data(_ record: DatasetRecord? = nil) throws -> DatasetParts {
    var request = configuration.data.request
    request.record = record
    return try configuration.data.source.open(request)
  }
  let whole = try makeLoop(text, data: try data())
  _ = try whole.run()
  let checkpoint = try interrupted(try makeLoop(text, data: try data()), after: step)
  let record = try #require(checkpoint.data)
  #expect(try data(record).record?.differences(since: record) == [])
  let rest = try makeLoop(text, data: try data(record), going: checkpoint)
  _ = try rest.run(from: checkpoint)
  #expect(try rest.session.bytes() == whole.session.bytes())
  return (whole, record)
}
