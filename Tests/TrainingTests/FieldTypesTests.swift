import SwitchbackDatasets
import SwitchbackInference
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import SwitchbackTraining
import Testing

@Suite struct FieldTypesTests {
  @Test("a field's element type is one of programs, and comes back; others are no field's")
  func types() {
    let all = ElementType.allCases.compactMap { type in Field.ElementType(type).map { (type, $0) } }
    #expect(all.map(\.0) == [.float32, .int32, .uint8])
    #expect(all.map(\.1) == [.float32, .int32, .uint8])
    for (type, field) in all {
      #expect(ElementType(field) == type)
      // In files and words both are called the same.
      #expect(type.rawValue == field.rawValue)
      #expect(ModelInput(Field("a", field, [2, 3])) == ModelInput("a", TensorType(type, [2, 3])))
    }
  }
}
