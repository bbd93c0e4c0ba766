import SwitchbackDatasets
import SwitchbackPrograms

extension ElementType {
  /// As a program reads a field of that type.
  package init(_ type: Field.ElementType) {
    switch type {
    case .float32: self = .float32
    case .int32: self = .int32
    case .uint8: self = .uint8
    }
  }
}

extension Field.ElementType {
  /// Of the field that a program's input reads; nil where no data set has such fields.
  package init?(_ type: ElementType) {
    switch type {
    case .float32: self = .float32
    case .int32: self = .int32
    case .uint8: self = .uint8
    default: return nil
    }
  }
}
